package import JSON

/// Lets through what is new in rows that are read again and again.
package struct ChangedRows: Sendable {
    private let key: String
    private var last: [String: JSONValue] = [:]

    /// - Parameter key: the field that tells which row it is.
    package init(key: String) {
        self.key = key
    }

    /// Those of `rows` that have not been let through just as they are.
    package mutating func changed(_ rows: [JSONValue]) -> [JSONValue] {
        rows.filter { row in
            guard let id = row[key]?.string else { return true }
            return last.updateValue(row, forKey: id) != row
        }
    }
}
