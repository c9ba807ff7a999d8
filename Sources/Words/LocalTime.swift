internal import Foundation
internal import Time

/// The wall clock of a time zone.
///
/// Foundation's zones come with the program, so they are there in a container without /usr/share/zoneinfo.
struct LocalTime {
    /// A date as its parts, without leading zeros but for hour and minute.
    struct Fields {
        var month: Int
        var values: [String: String]
    }

    private let zone: TimeZone?

    var isKnown: Bool { zone != nil }

    /// - Parameter name: an IANA name; nil or an unknown one is taken for UTC.
    init(_ name: String?) {
        zone = name.flatMap { $0.utf8.count <= 64 ? TimeZone(identifier: $0) : nil }
    }

    func fields(of instant: Timestamp) -> Fields {
        let date = Date(timeIntervalSince1970: Double(instant.secondsSinceEpoch))
        let shifted = instant + .seconds(zone?.secondsFromGMT(for: date) ?? 0)
        // `2026-11-20T16:20:02.400Z`
        let parts = shifted.description.split { !$0.isNumber }.map(String.init)
        guard parts.count >= 5 else { return Fields(month: 0, values: [:]) }
        func short(_ text: String) -> String { Int(text).map(String.init) ?? text }
        return Fields(
            month: Int(parts[1]) ?? 0,
            values: [
                "year": parts[0], "month": short(parts[1]), "day": short(parts[2]), "hour": parts[3],
                "minute": parts[4],
            ])
    }
}
