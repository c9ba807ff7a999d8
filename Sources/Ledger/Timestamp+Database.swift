internal import GRDB
internal import Time

extension Row {
    /// The time in `column`, nil where it is null.
    func time(_ column: String) -> Timestamp? {
        (self[column] as String?).flatMap { Timestamp($0) }
    }
}

extension Timestamp {
    /// The column's form: UTC text with milliseconds.
    var sql: String { description }
}
