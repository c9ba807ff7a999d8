import JSON
import Testing

@testable import Presentation

@Suite struct RowPrinterTests {
    private let columns = [
        TableColumn("OPENED", field: "opened_at", expectedWidth: 20, isTime: true),
        TableColumn("NAME", field: "name", minimumWidth: 4, expectedWidth: 10, omission: 1),
        TableColumn("LOCK", field: "lock", expectedWidth: 8, omission: 2),
    ]
    private let rows: [JSONValue] = [
        ["opened_at": "2026-11-20T16:20:02.400Z", "name": "Ada", "lock": "front-door", "attempts": 2],
        ["opened_at": "2026-11-20T16:21:00.000Z", "name": "=SUM(\"A1\", 2)\n\u{1B}[0m", "lock": nil],
    ]

    private func printer(_ format: OutputFormat, width: Int = 120, isFollowing: Bool = false) -> RowPrinter {
        RowPrinter(
            format, fields: ["opened_at", "name", "lock", "attempts"], columns: columns, width: width,
            isFollowing: isFollowing)
    }

    private func table(_ width: Int) -> [String] {
        var printer = printer(.table, width: width)
        return printer.text(rows).split(separator: "\n").map(String.init)
    }

    @Test func aTableFitsItsContents() {
        #expect(
            table(120) == [
                #"OPENED                NAME                      LOCK"#,
                #"2026-11-20 16:20:02Z  Ada                       front-door"#,
                #"2026-11-20 16:21:00Z  =SUM("A1", 2)\n\u{1B}[0m  -"#,
            ])
    }

    @Test(arguments: 30..<70)
    func aTableFitsTheTerminal(width: Int) {
        let lines = table(width)
        #expect(lines.count == 3)
        #expect(lines.allSatisfy { TerminalText.width($0) <= width })
        // A name is cut before the lock is left out, and the time stays whatever happens.
        #expect(lines[0].contains("LOCK") == (width >= 20 + 2 + 4 + 2 + 10))
        #expect(lines[1].hasPrefix("2026-11-20 16:20:02Z  Ada"))
    }

    @Test func onATerminalThatIsTooNarrowTheTimeAloneStays() {
        #expect(table(5) == ["OPENED", "2026-11-20 16:20:02Z", "2026-11-20 16:21:00Z"])
    }

    @Test func jsonIsOneArrayOfAllFields() throws {
        var printer = printer(.json)
        let text = printer.text([rows[0]]) + printer.text([]) + printer.text([rows[1]]) + printer.end()
        let parsed = try JSONValue(parsing: Array(text.utf8))
        #expect(parsed.array?.count == 2)
        #expect(parsed.array?[0]["attempts"] == 2)
        #expect(parsed.array?[1].has("lock") == true)
        #expect(parsed.array?[1]["name"] == "=SUM(\"A1\", 2)\n\u{1B}[0m")
        #expect(text.hasPrefix("[\n  {\"opened_at\":\"2026-11-20T16:20:02.400Z\",\"name\":\"Ada\","))
    }

    @Test func noRowsAreAnEmptyArray() {
        var printer = printer(.json)
        #expect(printer.text([]) + printer.end() == "[]\n")
    }

    @Test func whileFollowingJSONIsOneObjectALine() throws {
        var printer = printer(.json, isFollowing: true)
        let text = printer.text([]) + printer.text(rows) + printer.text([rows[0]]) + printer.end()
        let lines = text.split(separator: "\n")
        #expect(lines.count == 3)
        for line in lines { #expect(try JSONValue(parsing: Array(line.utf8)).members?.count == 4) }
    }

    @Test func csvIsByTheBook() {
        var printer = printer(.csv)
        let text = printer.text(rows) + printer.text([]) + printer.end()
        #expect(
            text == "opened_at,name,lock,attempts\r\n"
                + "2026-11-20T16:20:02.400Z,Ada,front-door,2\r\n"
                + "2026-11-20T16:21:00.000Z,\"'=SUM(\"\"A1\"\", 2)\n\u{1B}[0m\",,\r\n")
    }

    @Test func csvWithoutRowsHasItsHeader() {
        var printer = printer(.csv)
        #expect(printer.text([]) + printer.end() == "opened_at,name,lock,attempts\r\n")
    }

    @Test(arguments: ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\r\n=1", "＝1", "=\u{301}1"])
    func aTextIsNoFormula(text: String) {
        #expect(CSVText.field(.string(text)) == "'" + text)
    }

    @Test func numbersAndListsStayWhatTheyAre() {
        #expect(CSVText.field(-1) == "-1")
        #expect(CSVText.field(true) == "true")
        #expect(CSVText.field(["a": [1, 2]]) == #"{"a":[1,2]}"#)
        #expect(CSVText.field(nil) == "")
    }

    @Test func whileFollowingATableKeepsItsColumns() {
        var printer = printer(.table, isFollowing: true)
        let first = printer.text([])
        let second = printer.text([rows[0]])
        #expect(first == "OPENED                NAME        LOCK\n")
        #expect(second == "2026-11-20 16:20:02Z  Ada         front-d…\n")
    }

    @Test func coloursAreForTerminalsThatShowThem() {
        let columns = [
            TableColumn("STATE", field: "state", expectedWidth: 11, colour: Colour.ofState),
            TableColumn("NAME", field: "name", expectedWidth: 4),
        ]
        let rows: [JSONValue] = [["state": "expired", "name": "Ada"], ["state": "not_needed", "name": "\u{1B}[31m"]]
        func lines(_ showsColours: Bool) -> [String] {
            var printer = RowPrinter(
                .table, fields: [], columns: columns, width: 80, showsColours: showsColours)
            return printer.text(rows).split(separator: "\n").map(String.init)
        }
        #expect(lines(false) == ["STATE       NAME", "expired     Ada", "not_needed  \\u{1B}[31m"])
        #expect(
            lines(true) == [
                "\u{1B}[1mSTATE       NAME\u{1B}[0m", "\u{1B}[31mexpired\u{1B}[0m     Ada", "not_needed  \\u{1B}[31m",
            ])
    }

    @Test func onlyWhatChangedIsNews() {
        var news = ChangedRows(key: "id")
        let row: JSONValue = ["id": "a", "state": "pending"]
        #expect(news.changed([row]) == [row])
        #expect(news.changed([row, ["id": "b"]]) == [["id": "b"]])
        #expect(news.changed([["id": "a", "state": "waiting"]]).count == 1)
        #expect(news.changed([row]) == [row])
    }
}
