extension Duration {
    /// Rounded toward zero; a duration too long for 64 bits is the longest there is.
    package var wholeMilliseconds: Int64 {
        components.seconds.multipliedSaturating(by: 1000)
            .addingSaturating(components.attoseconds / 1_000_000_000_000_000)
    }

    /// In seconds, for metrics and messages.
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }

    /// Reads the configuration's form: digits and one unit, `500ms`, `10s`, `5m`, `36h`, `30d`. Nil for anything else.
    package init?(configured text: some StringProtocol) {
        let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
        guard !digits.isEmpty, digits.count <= 12 else { return nil }
        var count: Int64 = 0
        for digit in digits { count = count * 10 + Int64(digit - 0x30) }
        let milliseconds: Int64
        switch String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self) {
        case "ms": milliseconds = 1
        case "s": milliseconds = 1000
        case "m": milliseconds = 60_000
        case "h": milliseconds = 3_600_000
        case "d": milliseconds = 86_400_000
        default: return nil
        }
        self = .milliseconds(count.multipliedSaturating(by: milliseconds))
    }

    /// The configuration's form of this duration, in the largest unit that divides it: `36h`, `1500ms`.
    package var configured: String {
        let milliseconds = wholeMilliseconds
        let units: [(Int64, String)] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
        for (size, name) in units where milliseconds != 0 && milliseconds % size == 0 {
            return "\(milliseconds / size)\(name)"
        }
        return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
    }
}
