package import Time

/// What a guest is told, in one language.
package struct MessageTexts: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        case created, updated, revoked, recovered
    }

    /// What a text is about; unknown values are nil.
    package struct Values: Sendable {
        package var name: String?
        package var pin: String?
        package var startsAt: Timestamp?
        package var endsAt: Timestamp?
        package var device: String?
        /// IANA name.
        package var timeZone: String?

        package init(
            name: String?, pin: String?, startsAt: Timestamp?, endsAt: Timestamp?, device: String?, timeZone: String?
        ) {
            self.name = name
            self.pin = pin
            self.startsAt = startsAt
            self.endsAt = endsAt
            self.device = device
            self.timeZone = timeZone
        }
    }

    package static let names = ["name", "pin", "starts", "ends", "device"]
    static let timeNames = ["year", "month", "day", "hour", "minute"]

    /// How a point in time is written.
    package var time: MessageTemplate
    /// January to December for `{month_name}`; empty where it is not used.
    package var months: [String]
    package var created: MessageTemplate
    package var updated: MessageTemplate
    package var revoked: MessageTemplate
    package var recovered: MessageTemplate

    package init(
        time: String, months: [String] = [], created: String, updated: String, revoked: String, recovered: String
    ) {
        self.time = MessageTemplate(time)
        self.months = months
        self.created = MessageTemplate(created)
        self.updated = MessageTemplate(updated)
        self.revoked = MessageTemplate(revoked)
        self.recovered = MessageTemplate(recovered)
    }

    package subscript(kind: Kind) -> MessageTemplate {
        switch kind {
        case .created: created
        case .updated: updated
        case .revoked: revoked
        case .recovered: recovered
        }
    }

    /// What is wrong with a text by the name of its key; empty when all can be used.
    package var problems: [(key: String, problem: MessageTemplate.Problem)] {
        var problems: [(key: String, problem: MessageTemplate.Problem)] = []
        func check(_ key: String, _ template: MessageTemplate, _ names: [String], _ required: [String]) {
            do throws(MessageTemplate.Problem) {
                try template.check(names: names, required: required)
            } catch {
                problems.append((key, error))
            }
        }
        if !months.isEmpty, months.count != 12 {
            problems.append(
                ("months", .init(problem: "there are \(months.count)", fix: "give the names of all twelve, or none")))
        }
        check("time", time, Self.timeNames + (months.count == 12 ? ["month_name"] : []), ["day", "hour", "minute"])
        for kind in Kind.allCases {
            check(kind.rawValue, self[kind], Self.names, Self.required(kind))
        }
        return problems
    }

    /// A text that gives a code is of no use without it.
    package static func required(_ kind: Kind) -> [String] {
        kind == .created || kind == .updated ? ["pin"] : []
    }

    /// The text for a guest; nil where it needs a PIN and there is none any more.
    package func text(_ kind: Kind, _ values: Values) -> String? {
        if values.pin == nil, !Self.required(kind).isEmpty { return nil }
        let zone = LocalTime(values.timeZone)
        var filling: [String: String] = [:]
        filling["name"] = cleaned(values.name)
        filling["pin"] = values.pin
        filling["device"] = cleaned(values.device)
        filling["starts"] = values.startsAt.map { written($0, zone) }
        filling["ends"] = values.endsAt.map { written($0, zone) }
        return self[kind].filled(filling)
    }

    /// In the lock's own time zone; where that is not known, in UTC and called so.
    private func written(_ instant: Timestamp, _ zone: LocalTime) -> String {
        let fields = zone.fields(of: instant)
        var filling = fields.values
        if months.indices.contains(fields.month - 1) { filling["month_name"] = months[fields.month - 1] }
        return time.filled(filling) + (zone.isKnown ? "" : " UTC")
    }

    /// Names come from outside: one line of text, of bounded length.
    private func cleaned(_ text: String?) -> String? {
        guard let text else { return nil }
        var line = ""
        for scalar in text.unicodeScalars.prefix(200) {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: line.unicodeScalars.append(" ")
            default: line.unicodeScalars.append(scalar)
            }
        }
        let words = line.split(separator: " ").joined(separator: " ")
        return words.isEmpty ? nil : words
    }
}
