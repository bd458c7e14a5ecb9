// The other file.

#include <keirin.hpp>

void *tag_of_the_other_file() { return &keirin::detail::type_tag<int>; }
