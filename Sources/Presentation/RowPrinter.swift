package import JSON

/// Turns rows into the text of one of the formats, in one go or as they come.
package struct RowPrinter: Sendable {
    private let format: OutputFormat
    private let fields: [String]
    private let columns: [TableColumn]
    private let width: Int
    private let isFollowing: Bool
    private let zone: ShownZone
    private let showsColours: Bool
    private var table: TextTable?
    private var hasBegun = false
    private var hasRows = false

    /// - Parameters:
    ///   - fields: what JSON and CSV have of each row, in this order.
    ///   - columns: what the table shows of it.
    ///   - isFollowing: whether rows come one after the other without an end.
    ///   - zone: of the table's times; JSON and CSV have UTC.
    package init(
        _ format: OutputFormat, fields: [String], columns: [TableColumn], width: Int, isFollowing: Bool = false,
        zone: ShownZone = .utc, showsColours: Bool = false
    ) {
        self.format = format
        self.fields = fields
        self.columns = columns
        self.width = width
        self.isFollowing = isFollowing
        self.zone = zone
        self.showsColours = showsColours
    }

    /// The text of these rows, with what has to stand before the first of them. The first call decides the table's widths.
    package mutating func text(_ rows: [JSONValue]) -> String {
        defer {
            hasBegun = true
            if !rows.isEmpty { hasRows = true }
        }
        switch format {
        case .table: return tableText(rows)
        case .json: return jsonText(rows)
        case .csv:
            let records = rows.map { row in CSVText.record(fields.map { CSVText.field(row[$0]) }) }
            return (hasBegun ? "" : CSVText.record(fields)) + records.joined()
        }
    }

    /// What has to stand after the last row.
    package func end() -> String {
        guard format == .json, !isFollowing else { return "" }
        return hasRows ? "\n]\n" : "[]\n"
    }

    private mutating func tableText(_ rows: [JSONValue]) -> String {
        // A table without rows is no answer; the caller says so where diagnostics go.
        guard isFollowing || !rows.isEmpty else { return "" }
        let layout =
            table
            ?? TextTable(
                columns, rows: rows, width: width, expectsMore: isFollowing, zone: zone, showsColours: showsColours)
        let lines = (table == nil ? [layout.header] : []) + rows.map { layout.line($0) }
        table = layout
        return lines.map { $0 + "\n" }.joined()
    }

    private func jsonText(_ rows: [JSONValue]) -> String {
        let objects = rows.map { row in
            JSONValue.object(fields.map { JSONValue.Member($0, row[$0] ?? .null) }).description
        }
        if isFollowing { return objects.map { $0 + "\n" }.joined() }
        guard !objects.isEmpty else { return "" }
        return (hasRows ? ",\n" : "[\n") + objects.map { "  " + $0 }.joined(separator: ",\n")
    }
}
