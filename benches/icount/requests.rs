//! Requests that more than one bench sends.

/// As little as a client sends.
pub(crate) const MINIMAL: &str =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: keirin-bench\r\n\r\n";

/// What a browser behind a proxy sends.
pub(crate) const BROWSER: &str = concat!(
    "GET / HTTP/1.1\r\n",
    "Host: www.example.com\r\n",
    "Connection: keep-alive\r\n",
    "Cache-Control: max-age=0\r\n",
    "Sec-Ch-Ua: \"Chromium\";v=\"142\", \"Not A(Brand\";v=\"24\"\r\n",
    "Sec-Ch-Ua-Mobile: ?0\r\n",
    "Sec-Ch-Ua-Platform: \"Linux\"\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ",
    "Chrome/142.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,",
    "*/*;q=0.8\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-User: ?1\r\n",
    "Sec-Fetch-Dest: document\r\n",
    "Referer: https://www.example.com/catalogue/bicycles?page=2&order=price\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Accept-Language: en-GB,en;q=0.9,ja;q=0.8\r\n",
    "Cookie: session=4f1c0d9b7e2a4c6f8b1d3e5a7c9f0b2d; theme=dark; ",
    "consent=analytics%3D0%26ads%3D0\r\n",
    "If-None-Match: \"5f2c-62a1b0c4d8e40\"\r\n",
    "X-Forwarded-For: 203.0.113.7\r\n",
    "X-Forwarded-Proto: https\r\n",
    "\r\n",
);
