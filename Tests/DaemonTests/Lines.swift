import Logging
import Synchronization

/// What was logged.
final class Lines: Sendable {
    private struct State {
        var lines: [String] = []
        var metadata: [Logger.Metadata] = []
    }

    private let state = Mutex(State())

    /// By level and message.
    var all: [String] { state.withLock { $0.lines } }
    /// What came with each of them.
    var metadata: [Logger.Metadata] { state.withLock { $0.metadata } }

    var logger: Logger {
        Logger(label: "test") { [self] _ in Handler(lines: self) }
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.state.withLock { state in
                state.lines.append("\(event.level) \(event.message)")
                state.metadata.append(event.metadata ?? [:])
            }
        }
    }
}
