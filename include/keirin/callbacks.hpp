/// @file
/// How closures and user data live behind the pointers of the C interface. Included by keirin.hpp.

#ifndef KEIRIN_CALLBACKS_HPP
#define KEIRIN_CALLBACKS_HPP

#include <memory>
#include <type_traits>
#include <utility>

#include "status.hpp"

namespace keirin::detail {

/// Moves a closure to where C can point to it; destroy() is its end, exactly once.
template <class F> void *keep(F &&f) { return new std::decay_t<F>(std::forward<F>(f)); }

template <class F> void destroy(void *kept) noexcept { delete static_cast<F *>(kept); }

/// Its address stands for the type.
template <class Data> inline char type_tag = 0;

/// User data of a socket or loop, which knows its type: asking for another one finds nothing.
struct KeptBase {
    const void *type;
};

/// Aggregates too are made from their parts.
template <class Data, class... Parts> Data make(Parts &&...parts) {
    if constexpr (std::is_constructible_v<Data, Parts...>) {
        return Data(std::forward<Parts>(parts)...);
    } else {
        return Data{std::forward<Parts>(parts)...};
    }
}

template <class Data> struct Kept : KeptBase {
    template <class... Parts>
    explicit Kept(std::in_place_t, Parts &&...parts)
        : KeptBase{&type_tag<Data>}, data(make<Data>(std::forward<Parts>(parts)...)) {}

    Data data;
};

template <class Data, class... Parts> void *keep_data(Parts &&...parts) {
    KeptBase *kept = new Kept<Data>(std::in_place, std::forward<Parts>(parts)...);
    return kept;
}

template <class Data> Data *find_data(void *user) noexcept {
    auto *kept = static_cast<KeptBase *>(user);
    if (kept == nullptr || kept->type != &type_tag<Data>) {
        return nullptr;
    }
    return &static_cast<Kept<Data> *>(kept)->data;
}

template <class Data> void destroy_data(void *user) noexcept {
    delete static_cast<Kept<Data> *>(static_cast<KeptBase *>(user));
}

/// A closure of any type, which several threads may call at once: so it is called as const.
template <class... Arguments> class Handler {
public:
    explicit Handler(std::string_view name) noexcept : name_(name) {}

    template <class F> void set(F &&f) {
        static_assert(std::is_invocable_v<const std::decay_t<F> &, Arguments...>,
                      "A handler takes the documented arguments. It is called as const, because "
                      "several workers may call it at once: no mutable lambda.");
        called_ = std::make_unique<Closure<std::decay_t<F>>>(std::forward<F>(f));
    }

    explicit operator bool() const noexcept { return called_ != nullptr; }
    std::string_view name() const noexcept { return name_; }
    void operator()(Arguments... arguments) const { called_->call(arguments...); }

private:
    struct Called {
        Called() = default;
        Called(const Called &) = delete;
        Called &operator=(const Called &) = delete;
        virtual ~Called() = default;
        virtual void call(Arguments... arguments) const = 0;
    };

    template <class F> struct Closure final : Called {
        template <class G> explicit Closure(G &&closure) : f(std::forward<G>(closure)) {}
        void call(Arguments... arguments) const override {
            f(static_cast<Arguments>(arguments)...);
        }
        F f;
    };

    std::string_view name_;
    std::unique_ptr<const Called> called_;
};

} // namespace keirin::detail

#endif
