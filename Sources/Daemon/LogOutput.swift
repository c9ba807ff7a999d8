internal import Dispatch
internal import Glibc
internal import JSON
package import Logging
package import Settings
internal import Synchronization
internal import Time

/// Writes log lines to standard error, one a line, or to the journal where it reads standard error, from a queue of its own: a reader that does not read, such as a full pipe, holds
/// up nothing but the log. What does not fit into the queue is dropped and counted.
package final class LogOutput: Sendable {
    private static let maximumQueued = 4096

    private let queue = DispatchQueue(label: "sparekey.log")
    private let state = Mutex((queued: 0, dropped: 0))
    let format: Settings.Log.Format
    private let journal: SystemJournal?
    /// An index into `levels`. Each logger asks for it at each line, so that a reload changes it for all.
    private let levelIndex: Atomic<Int>
    private static let levels = Logger.Level.allCases

    /// - Parameter environment: `$JOURNAL_STREAM` there means that the journal reads standard error.
    package init(format: Settings.Log.Format, level: Settings.Log.Level, environment: [String: String]) {
        let stream = environment["JOURNAL_STREAM"]
        levelIndex = Atomic(Self.index(of: level))
        self.format = format == .auto ? (SystemJournal.isStandardError(stream) ? .journal : .text) : format
        journal = self.format == .journal ? SystemJournal(stream: stream) : nil
    }

    package func logger(label: String) -> Logger {
        Logger(label: label) { _ in LogLines(output: self) }
    }

    /// The lowest that is logged.
    var level: Logger.Level { Self.levels[levelIndex.load(ordering: .relaxed)] }

    /// Takes effect with the next line of every logger.
    package func apply(_ level: Settings.Log.Level) {
        levelIndex.store(Self.index(of: level), ordering: .relaxed)
    }

    private static func index(of level: Settings.Log.Level) -> Int {
        let logged: Logger.Level =
            switch level {
            case .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            }
        return levels.firstIndex(of: logged) ?? 0
    }

    /// Returns once what was logged before is written, or after a second when nobody reads.
    package func flush() {
        let done = DispatchSemaphore(value: 0)
        queue.async { done.signal() }
        _ = done.wait(timeout: .now() + .seconds(1))
    }

    /// - Parameter entry: the same for the journal.
    func write(_ line: String, entry: [UInt8]? = nil) {
        let dropped: Int? = state.withLock { state in
            guard state.queued < Self.maximumQueued else {
                state.dropped += 1
                return nil
            }
            state.queued += 1
            defer { state.dropped = 0 }
            return state.dropped
        }
        guard let dropped else { return }
        queue.async { [self] in
            if dropped > 0 { Self.emit("\(dropped) log lines were dropped: nobody read standard error\n") }
            let isTaken = entry.flatMap { entry in journal?.send(entry) } ?? false
            if !isTaken { Self.emit(line) }
            state.withLock { $0.queued -= 1 }
        }
    }

    private static func emit(_ line: String) {
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
            if count > 0 { bytes = bytes.dropFirst(count) } else if errno != EINTR { return }
        }
    }
}

private struct LogLines: LogHandler {
    let output: LogOutput
    var metadata: Logger.Metadata = [:]
    /// What this logger is set to itself: it can log less than the others, not more.
    private var ownLevel = Logger.Level.trace

    init(output: LogOutput) { self.output = output }

    var logLevel: Logger.Level {
        get { max(ownLevel, output.level) }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            .map { ($0.key, "\($0.value)") }
        let message = "\(event.message)"
        guard output.format == .journal else { return output.write(line(event.level, message, fields)) }
        output.write(
            line(event.level, message, fields),
            entry: SystemJournal.entry(
                priority: priority(event.level), message: text(message, fields), fields: fields))
    }

    private func line(_ level: Logger.Level, _ message: String, _ fields: [(String, String)]) -> String {
        switch output.format {
        case .json:
            let now = SystemWallClock().now()
            var json: JSONValue = [
                "at": .string(now.description), "level": .string(level.rawValue), "message": .string(message),
            ]
            for (key, value) in fields { json[key] = .string(value) }
            return json.description + "\n"
        case .journal:
            // sd-daemon(3): a number in angle brackets before the line is its priority.
            return "<\(priority(level))>\(text(message, fields))\n"
        case .auto, .text:
            return "\(SystemWallClock().now()) \(level.rawValue) \(text(message, fields))\n"
        }
    }

    /// A value with a space or a control character in it is written as a JSON string, so that a line stays a line.
    private func text(_ message: String, _ fields: [(String, String)]) -> String {
        fields.reduce(message) { text, field in
            let isPlain = !field.1.isEmpty && field.1.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x7F }
            return text + " \(field.0)=" + (isPlain ? field.1 : JSONValue.string(field.1).description)
        }
    }

    private func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
