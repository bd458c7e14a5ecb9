// The lines and the JSON of the chat: what examples/chat.html understands.

#pragma once

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

/// Whether a text is one line with something on it, of at most this many characters.
inline bool is_line(std::string_view text, std::ptrdiff_t characters_max) {
    const auto begins = [](unsigned char byte) { return (byte & 0xc0) != 0x80; };
    const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; };
    return std::count_if(text.begin(), text.end(), begins) <= characters_max &&
           std::none_of(text.begin(), text.end(), is_control) &&
           text.find_first_not_of(' ') != std::string_view::npos;
}

/// A line as a string of JSON.
inline std::string quoted(std::string_view line) {
    std::string text = "\"";
    for (const char character : line) {
        if (character == '"' || character == '\\') {
            text += '\\';
        }
        text += character;
    }
    return text + '"';
}

inline std::string news(const char *kind, std::string_view name, std::string_view text) {
    return "{\"kind\":" + quoted(kind) + ",\"name\":" + quoted(name) +
           ",\"text\":" + quoted(text) + "}";
}

/// How many are in the room, and everywhere, and how much is said in a second.
inline std::string numbers(std::size_t here, std::size_t all, int rate) {
    return "{\"kind\":\"numbers\",\"here\":" + std::to_string(here) +
           ",\"all\":" + std::to_string(all) + ",\"rate\":" + std::to_string(rate) + "}";
}

inline std::string read_file(const char *path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}
