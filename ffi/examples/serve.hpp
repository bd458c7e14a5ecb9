// What every C++ example does around its server: a port from the command line, a line that says
// where it listens, and a graceful stop on SIGTERM and SIGINT.

#pragma once

#include <keirin.hpp>

#include <csignal>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

/// Listens on 127.0.0.1, at the port in the first argument (3000 without one, any for 0), and runs
/// a Server or EventLoop until it is stopped. Gives the exit code of the program.
template <class Runner> int serve(Runner &runner, int argc, char **argv) {
    runner.listen("127.0.0.1:" + std::string(argc > 1 ? argv[1] : "3000"));

    // A signal handler could do next to nothing. So the signals are blocked, in the workers' threads
    // too, which inherit that; and one thread waits for them.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([signals, remote = runner.remote()] {
        for (int signal = 0; sigwait(&signals, &signal) == 0;) {
            remote.stop(std::chrono::seconds(10));
        }
    }).detach();

    std::cout << "listening on http://127.0.0.1:" << runner.port() << std::endl;
    runner.run();
    return 0;
}
