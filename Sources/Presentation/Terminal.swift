internal import Glibc

/// The process's own standard output and error.
package enum Terminal {
    package struct WriteFailure: Error, CustomStringConvertible {
        package var errorNumber: Int32
        package var description: String { "standard output: \(String(cString: strerror(errorNumber)))" }
    }

    /// The columns of the terminal that standard output is, else `COLUMNS`, else 120.
    package static func width(environment: [String: String]) -> Int {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        guard let columns = environment["COLUMNS"].flatMap({ Int($0) }), (1...10_000).contains(columns) else {
            return 120
        }
        return columns
    }

    /// Whether standard output is a terminal that shows colours, and nobody has asked for none (https://no-color.org).
    package static func showsColours(environment: [String: String]) -> Bool {
        isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
    }

    package static func write(_ text: String) throws(WriteFailure) {
        try write(text, to: STDOUT_FILENO)
    }

    /// Says something about the work; what cannot be said is not the work's failure.
    package static func diagnose(_ text: String) {
        note(text + "\n")
    }

    /// The same without the end of a line.
    static func note(_ text: String) {
        try? write(text, to: STDERR_FILENO)
    }

    /// Unbuffered, so that what follows a log sees each line at once.
    private static func write(_ text: String, to descriptor: Int32) throws(WriteFailure) {
        var remaining = Array(text.utf8)[...]
        while !remaining.isEmpty {
            let count = remaining.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                remaining = remaining.dropFirst(count)
                continue
            }
            let failure = errno
            switch failure {
            case EINTR: continue
            // Whoever has the other end, or started us, may have made it one that does not wait.
            case EAGAIN:
                var writable = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&writable, 1, -1)
            default: throw WriteFailure(errorNumber: failure)
            }
        }
    }
}
