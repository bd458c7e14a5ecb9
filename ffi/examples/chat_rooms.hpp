// The rooms of the chat, which all workers share.

#pragma once

#include <keirin.hpp>

#include <atomic>
#include <iterator>
#include <mutex>
#include <set>
#include <string>

#include "chat_text.hpp"

/// The rooms that somebody is in, on whatever worker, and how much was said since they were told.
class Rooms {
public:
    void insert(const std::string &room) {
        const std::lock_guard guard(lock_);
        names_.insert(room);
    }

    void count_message() { ++said_; }

    /// Tells each room how many are in it, and forgets those that are empty.
    void tell_numbers(keirin::Loop loop) {
        const auto all = loop.subscribers("all");
        const auto said = said_.exchange(0);
        const std::lock_guard guard(lock_);
        for (auto room = names_.begin(); room != names_.end();) {
            const auto here = loop.subscribers(*room);
            loop.publish(*room, numbers(here, all, said));
            room = here > 0 ? std::next(room) : names_.erase(room);
        }
    }

private:
    std::mutex lock_;
    std::set<std::string> names_;
    std::atomic<int> said_{0};
};
