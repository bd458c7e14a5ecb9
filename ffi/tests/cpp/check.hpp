// What the test programs share.

#pragma once

#include "../../examples/serve.hpp"

#include <cstdlib>

/// Ends the program, with the condition, unless it holds.
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::cerr << __FILE__ << ":" << __LINE__ << ": " #condition << std::endl;              \
            std::_Exit(70);                                                                        \
        }                                                                                          \
    } while (false)

/// The status of what `call` throws; Status::ok if it does not.
template <class Call> keirin::Status refusal_of(Call &&call) {
    try {
        call();
        return keirin::Status::ok;
    } catch (const keirin::Error &error) {
        CHECK(!std::string(error.what()).empty());
        return error.status();
    }
}
