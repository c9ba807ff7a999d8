/// How a command prints its result.
package enum OutputFormat: String, Sendable, Equatable, CaseIterable {
    /// For people: fits the terminal, leaves out columns that do not fit.
    case table
    /// One array; while following, one object a line.
    case json
    /// RFC 4180 with a header line.
    case csv
}
