/// The line `Date: …` of every answer (RFC 9110 6.6.1), written once a second. Confined to the server's queue.
package final class DateField {
    private let httpDate: @Sendable () -> String
    private var written: (line: [UInt8], at: Instant)?

    /// - Parameter httpDate: the time now as RFC 9110 5.6.7 has it, `Sun, 06 Nov 1994 08:49:37 GMT`.
    package init(_ httpDate: @escaping @Sendable () -> String) {
        self.httpDate = httpDate
    }

    /// The line with its CRLF.
    func line(at now: Instant) -> [UInt8] {
        if let written, now < written.at + .seconds(1) { return written.line }
        let line = Array("Date: \(httpDate())\r\n".utf8)
        written = (line, now)
        return line
    }
}
