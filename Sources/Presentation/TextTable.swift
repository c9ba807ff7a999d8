package import JSON

/// Lays rows out in columns that fit a width.
package struct TextTable: Sendable {
    private static let gap = 2

    private let columns: [(column: TableColumn, width: Int)]
    private let zone: ShownZone
    private let showsColours: Bool

    /// - Parameters:
    ///   - rows: the rows that the widths are made for.
    ///   - width: of the terminal.
    ///   - expectsMore: whether rows are to come, which need room too.
    package init(
        _ columns: [TableColumn], rows: [JSONValue], width: Int, expectsMore: Bool, zone: ShownZone = .utc,
        showsColours: Bool = false
    ) {
        self.zone = zone
        self.showsColours = showsColours
        let natural = columns.map { column in
            rows.reduce(max(TerminalText.width(column.title), expectsMore ? column.expectedWidth : 0)) { widest, row in
                max(widest, TerminalText.width(Self.cell(row, column, zone)))
            }
        }
        var chosen = zip(columns, natural).map { (column: $0, width: $1) }
        while true {
            let fitted = Self.cut(chosen, to: width)
            let omitted = chosen.indices.filter { chosen[$0].column.omission != nil }
                .max { chosen[$0].column.omission ?? 0 < chosen[$1].column.omission ?? 0 }
            guard Self.total(fitted) > width, let omitted else {
                self.columns = fitted
                return
            }
            chosen.remove(at: omitted)
        }
    }

    package var header: String {
        let line = line(columns.map { ($0.column.title, nil) })
        return showsColours ? Colour.bold.applied(to: line) : line
    }

    package func line(_ row: JSONValue) -> String {
        line(
            columns.map { column, _ in
                let text = Self.cell(row, column, zone)
                return (text, showsColours ? column.colour?(text) : nil)
            })
    }

    private func line(_ cells: [(text: String, colour: Colour?)]) -> String {
        var line = ""
        var blanks = 0
        for (cell, (_, width)) in zip(cells, columns) {
            let shown = TerminalText.truncated(cell.text, to: width)
            line += String(repeating: " ", count: blanks) + (cell.colour?.applied(to: shown) ?? shown)
            blanks = width - TerminalText.width(shown) + Self.gap
        }
        return line
    }

    private static func cell(_ row: JSONValue, _ column: TableColumn, _ zone: ShownZone) -> String {
        guard let value = row[column.field] else { return "-" }
        let text = TerminalText.escaped(value.string ?? value.description)
        if text.isEmpty { return "-" }
        return column.isTime ? zone.shown(text) : text
    }

    private static func total(_ columns: [(column: TableColumn, width: Int)]) -> Int {
        columns.reduce(0) { $0 + $1.width } + gap * max(0, columns.count - 1)
    }

    /// Takes from the widest of the columns that may be cut, as much as is needed and allowed.
    private static func cut(_ columns: [(column: TableColumn, width: Int)], to width: Int) -> [(
        column: TableColumn, width: Int
    )] {
        var columns = columns
        while total(columns) > width {
            let mayBeCut = columns.indices.filter { columns[$0].width > columns[$0].column.minimumWidth ?? .max }
            let widest = mayBeCut.max { columns[$0].width < columns[$1].width }
            guard let widest else { break }
            columns[widest].width -= 1
        }
        return columns
    }
}
