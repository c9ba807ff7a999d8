import Foundation
import Testing

@testable import Daemon

struct SystemJournalTests {
    @Test func aFieldIsALine() {
        let entry = SystemJournal.entry(
            priority: 3, message: "A thing failed error=\"a b\"",
            fields: [("access_code_id", "ac_1"), ("error", "a b")])
        #expect(
            String(decoding: entry, as: UTF8.self) == """
                PRIORITY=3
                SYSLOG_IDENTIFIER=sparekey
                MESSAGE=A thing failed error="a b"
                SPAREKEY_ACCESS_CODE_ID=ac_1
                SPAREKEY_ERROR=a b

                """)
    }

    /// Otherwise a value could bring fields of its own, such as another priority.
    @Test func aValueWithALinesEndGoesWithItsLength() {
        let entry = SystemJournal.entry(priority: 6, message: "x", fields: [("error", "a\nPRIORITY=0")])
        let tail = Array("SPAREKEY_ERROR\n".utf8) + [12, 0, 0, 0, 0, 0, 0, 0] + Array("a\nPRIORITY=0\n".utf8)
        #expect(entry.suffix(tail.count) == tail[...])
    }

    @Test func theJournalIsSpokenToOnlyWhereItReadsStandardError() {
        for stream in [nil, "", "1:2", "garbage"] { #expect(SystemJournal(stream: stream) == nil) }
        #expect(SystemJournal(path: "/nowhere/to/be/found") == nil)
        #expect(SystemJournal(path: String(repeating: "x", count: 200)) == nil)
    }
}
