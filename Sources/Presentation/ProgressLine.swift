internal import Glibc
internal import Synchronization

/// One line on standard error that says how far long work has come, written over again and again; nothing where standard error is
/// no terminal.
package final class ProgressLine: Sendable {
    private let isShown: Bool
    private let shown = Mutex("")

    package init() {
        isShown = isatty(STDERR_FILENO) == 1
    }

    package func show(_ text: String) {
        guard isShown else { return }
        shown.withLock { last in
            guard text != last else { return }
            last = text
            Terminal.note("\r" + TerminalText.truncated(text, to: 78) + "\u{1B}[K")
        }
    }

    /// Leaves the line empty for what is said next.
    package func end() {
        shown.withLock { last in
            if !last.isEmpty { Terminal.note("\r\u{1B}[K") }
            last = ""
        }
    }
}
