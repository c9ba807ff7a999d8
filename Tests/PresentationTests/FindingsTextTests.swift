import JSON
import Presentation
import Testing

@Suite struct FindingsTextTests {
    private func report(_ findings: (String, String, String, String)...) -> JSONValue {
        [
            "findings": .array(
                findings.map { severity, title, detail, fix in
                    [
                        "id": "x", "severity": .string(severity), "title": .string(title), "detail": .string(detail),
                        "fix": .string(fix),
                    ]
                })
        ]
    }

    @Test func whatIsWrongComesFirst() {
        let report = report(
            ("ok", "The clock agrees", "", ""), ("warning", "The disk is nearly full", "9 MiB", "Make room."),
            ("error", "No webhook", "", "sparekey webhook register"))
        #expect(
            FindingsText(width: 80, showsColours: false).text(report) == """
                error    No webhook
                         Fix: sparekey webhook register
                warning  The disk is nearly full
                         9 MiB
                         Fix: Make room.
                ok       The clock agrees
                2 things need attention.

                """)
        #expect(
            FindingsText(width: 80, showsColours: true).text(report).hasPrefix(
                "\u{1B}[31merror\u{1B}[0m    No webhook\n"))
    }

    @Test func aHealthySystemSaysSo() {
        let text = FindingsText(width: 80, showsColours: false).text(report(("ok", "The clock agrees", "", "")))
        #expect(text == "ok       The clock agrees\nNothing is wrong.\n")
    }

    @Test(arguments: [40, 60, 80])
    func itFitsTheTerminal(width: Int) {
        let long = report(
            (
                "error", "The certificate's chain does not lead to a known authority of any kind",
                "a name from outside \u{1B}[2J that goes on and on and on until the end of the line is long past",
                "Put it right."
            ))
        let text = FindingsText(width: width, showsColours: false).text(long)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= width })
        #expect(!text.contains("\u{1B}"))
    }
}
