internal import JSON
internal import Seam

extension FuzzTarget {
    /// What is read as an event is JSON, its identifiers are there, and JSON that was read is written and read again the same.
    static func event(_ bytes: [UInt8]) -> String? {
        let reading = SeamEvent.decode(bytes)
        guard let json = try? JSONValue(parsing: bytes, maximumDepth: 64) else {
            if case .event = reading { return "an event that is no JSON" }
            return nil
        }
        if case .event(let event) = reading, event.eventID.isEmpty || event.eventType.isEmpty {
            return "an event without its identifiers"
        }
        for text in [json.bytes, Array(json.indented.utf8)] {
            guard let again = try? JSONValue(parsing: text) else { return "JSON that is not read again: \(json)" }
            if again.bytes != json.bytes { return "JSON that changes: \(json) \(again)" }
            if SeamEvent.decode(text) != reading { return "an event that changes when it is written" }
        }
        return nil
    }
}
