// HTTP's dates, RFC 9110 section 5.6.7, as they are generated since 1999: `Sun, 06 Nov 1994 08:49:37 GMT`.
extension Timestamp {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    /// In whole seconds, cut.
    package var httpDate: String {
        let secondOfDay = (secondsSinceEpoch % 86_400 + 86_400) % 86_400
        let days = (secondsSinceEpoch - secondOfDay) / 86_400
        let date = CivilDate(daysSinceEpoch: days)
        // 1970-01-01 was a Thursday.
        let weekday = Self.weekdays[Int(((days + 4) % 7 + 7) % 7)]
        let time = [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60].map { padded($0, 2) }
        return "\(weekday), \(padded(date.day, 2)) \(Self.months[Int(date.month) - 1]) \(padded(date.year, 4)) "
            + time.joined(separator: ":") + " GMT"
    }

    /// Nil for anything else; the weekday is not looked at.
    package init?(httpDate text: String) {
        let parts = text.split(separator: " ")
        guard text.utf8.count <= 64, parts.count == 6, parts[0].utf8.last == UInt8(ascii: ","), parts[5] == "GMT",
            let month = Self.months.firstIndex(where: { $0 == parts[2] })
        else { return nil }
        let number = String(month + 1)
        self.init("\(parts[3])-\(number.utf8.count == 1 ? "0" : "")\(number)-\(parts[1])T\(parts[4])Z")
    }
}
