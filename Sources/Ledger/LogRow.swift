internal import GRDB
package import JSON
package import Policy

/// One value of the log as it is read for printing. A PIN stays a `PIN`, so it is masked unless its digits are asked for.
package enum LogValue: Sendable, Equatable {
    case null
    case integer(Int64)
    case text(String)
    case pin(PIN)

    package func json(showingPINs: Bool) -> JSONValue {
        switch self {
        case .null: .null
        case .integer(let value): .integer(value)
        case .text(let text): .string(text)
        case .pin(let pin): .string(showingPINs ? pin.digits : PIN.mask)
        }
    }
}

/// One row of a table or view, in the order of its columns, under the columns' names, on which users' scripts rely.
package struct LogRow: Sendable, Equatable {
    package struct Field: Sendable, Equatable {
        package var column: String
        package var value: LogValue

        package init(_ column: String, _ value: LogValue) {
            self.column = column
            self.value = value
        }
    }

    package var fields: [Field]

    package init(_ fields: [Field]) {
        self.fields = fields
    }

    package subscript(column: String) -> LogValue {
        fields.first { $0.column == column }?.value ?? .null
    }

    /// Nil where the column is null, a number or a PIN.
    package func text(_ column: String) -> String? {
        if case .text(let text) = self[column] { text } else { nil }
    }

    /// The row as an object, nulls included.
    package func json(showingPINs: Bool) -> JSONValue {
        .object(fields.map { JSONValue.Member($0.column, $0.value.json(showingPINs: showingPINs)) })
    }
}

extension LogRow {
    init(_ row: Row) {
        fields = row.map { column, value in
            switch value.storage {
            case .null: Field(column, .null)
            case .string(let text) where column == "backup_code": Field(column, PIN(text).map(LogValue.pin) ?? .null)
            case .string(let text): Field(column, .text(text))
            case .int64(let number): Field(column, .integer(number))
            // The columns that are read here hold neither.
            case .double, .blob: Field(column, .null)
            }
        }
    }
}
