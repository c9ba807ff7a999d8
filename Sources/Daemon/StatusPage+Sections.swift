internal import JSON
internal import Ledger
internal import Policy
internal import Presentation
internal import Time

extension StatusPage {
    // MARK: Guests

    var guests: String {
        guard !overview.guests.isEmpty else {
            return section(
                "guests", "Guests at risk",
                "<p>None: every guest whose code failed has been told another, or is in the operator's hands.</p>")
        }
        let cards = overview.guests.map { guest in
            let arrival = guest.startsAt.map { start in
                let word = start <= now ? "Arrived" : "Arrives"
                return "<strong>\(word) \(distance(to: start))</strong>, \(time(start))"
            }
            let next = guest.nextAttemptAt.map { next in
                "<p class=\"small\">\(next <= now ? "Being tried again" : "Tried again \(distance(to: next))").</p>"
            }
            return """
                <li class="card bad"><h3>\(escaped(guest.name ?? "Guest without a name"))</h3>
                <p>\(arrival ?? "<strong>Arrival unknown</strong>")</p>
                <p>\(escaped(guest.deviceName ?? guest.deviceID ?? "unknown lock")): \(escaped(words(for: guest.trouble))).</p>\(next ?? "")
                <p class="small code">\(escaped(guest.accessCodeID))</p></li>
                """
        }
        let more = overview.guestCount - overview.guests.count
        return section(
            "guests", "Guests at risk",
            "<ul class=\"cards\">\(cards.joined())</ul>"
                + (more > 0 ? "<p>And \(more) more, who arrive later.</p>" : ""))
    }

    private func words(for trouble: Overview.Guest.Trouble) -> String {
        switch trouble {
        case .noCode(.pending, _): "a backup code is being looked for"
        case .noCode(let state, let reason):
            reason.map { ReasonText.explanation(of: $0) ?? $0 } ?? state.rawValue.replacing("_", with: " ")
        case .notTold(.failed?): "there is a backup code, and telling it has failed"
        case .notTold(.claimed?): "there is a backup code; somebody has taken it on to tell it"
        case .notTold: "there is a backup code that has not been told yet"
        case .backupGone: "the backup code is gone from the lock, or has run out, before the stay's end"
        case .backupFailed: "the backup code failed on the lock, too"
        case .failedAgain: "the code failed again, and its backup code's time is over"
        }
    }

    // MARK: Substitutions

    /// A phone shows each row as a card, with the column's name before the value; the roles say that it is a table all the same.
    var recentSubstitutions: String {
        let columns = [
            ("original_name", "Guest"), ("device_id", "Lock"), ("recorded_at", "Backup code since"),
            ("original_ends_at", "Stay ends"), ("substitution_state", "State"), ("delivery_state", "Told"),
        ]
        guard !substitutions.isEmpty else {
            return section("substitutions", "Recent substitutions", "<p>None yet.</p>")
        }
        let names = Dictionary(
            overview.locks.compactMap { lock in lock.name.map { (lock.deviceID, $0) } },
            uniquingKeysWith: { first, _ in first })
        let rows = substitutions.map { row in
            let cells = columns.enumerated().map { index, column in
                let text = row[column.0]?.string
                let cell: String
                switch column.0 {
                case "recorded_at", "original_ends_at": cell = text.flatMap { Timestamp($0) }.map(time) ?? "–"
                case "device_id": cell = escaped(text.map { names[$0] ?? $0 } ?? "–")
                case "delivery_state": cell = mark(text)
                default: cell = escaped(text ?? "–")
                }
                return index == 0
                    ? "<th scope=\"row\" role=\"rowheader\">\(cell)</th>"
                    : "<td role=\"cell\" data-label=\"\(column.1)\">\(cell)</td>"
            }
            return "<tr role=\"row\">\(cells.joined())</tr>"
        }
        let heads = columns.map { "<th scope=\"col\" role=\"columnheader\">\($0.1)</th>" }.joined()
        return section(
            "substitutions", "Recent substitutions",
            """
            <div class="scroll" role="region" aria-labelledby="substitutions" tabindex="0">
            <table role="table"><thead role="rowgroup"><tr role="row">\(heads)</tr></thead>\
            <tbody role="rowgroup">\(rows.joined())</tbody></table></div>
            """)
    }

    private func mark(_ state: String?) -> String {
        switch state {
        case "delivered": "<span class=\"tag well\">delivered</span>"
        case "failed": "<span class=\"tag bad\">failed</span>"
        case let state?: "<span class=\"tag warn\">\(escaped(state))</span>"
        case nil: "–"
        }
    }

    // MARK: Locks

    var locks: String {
        guard !overview.locks.isEmpty else {
            return section("locks", "Locks", "<p>No lock has been read yet.</p>")
        }
        let cards = overview.locks.map { lock in
            let (level, fill, words) = describe(lock.pool)
            let used = lock.backupsInUse == 1 ? "1 backup code in use" : "\(lock.backupsInUse) backup codes in use"
            let problems = lock.problems.map { "<li>\(escaped($0.replacing("_", with: " ")))</li>" }.joined()
            let arrival = lock.nextArrivalAt.map { "<p>Next arrival \(distance(to: $0)), \(time($0))</p>" } ?? ""
            return """
                <li class="card \(level)"><h3>\(escaped(lock.name ?? lock.deviceID))</h3>
                <div class="bar \(level)" role="img" aria-label="Pool: \(words)"><span class="fill\(fill)"></span></div>
                <p>\(words); \(used).\(lock.isOnline == false ? " <strong>Offline.</strong>" : "")</p>\(arrival)
                \(problems.isEmpty ? "" : "<ul class=\"small\">\(problems)</ul>")</li>
                """
        }
        return section(
            "locks", "Locks",
            """
            <p class="small">Seam publishes no count of the codes that are left: a bar is full, half or empty as the lock says.</p>
            <ul class="cards">\(cards.joined())</ul>
            """)
    }

    private func describe(_ pool: Overview.Lock.Pool) -> (level: String, fill: Int, words: String) {
        switch pool {
        case .well: ("well", 100, "backup codes are there")
        case .partial: ("warn", 50, "trouble refilling the pool")
        case .empty: ("bad", 0, "no backup code left")
        case .disabled: ("warn", 0, "pool switched off")
        case .unsupported: ("warn", 0, "this lock has no pool")
        case .unknown: ("warn", 0, "pool not known yet")
        }
    }

    // MARK: Housekeeping

    var housekeeping: String {
        var rows: [(String, String)] = []
        if let swept = overview.sweptUntil {
            let isLate = now.duration(since: swept) > facts.sweepInterval * 3
            rows.append(
                (
                    "Seam's events swept",
                    time(swept) + ", \(distance(to: swept))" + (isLate ? ": <strong>late</strong>" : "")
                ))
        } else {
            rows.append(("Seam's events swept", "<strong>not yet</strong>"))
        }
        if let oldest = overview.locks.compactMap(\.codesReadAt).min() {
            rows.append(("Locks' codes read", "oldest reading \(distance(to: oldest))"))
        }
        if let days = facts.certificateDays {
            let text = days <= 0 ? "<strong>has expired</strong>" : "\(Int(days)) days left"
            rows.append(("Certificate", days > 0 && days < 14 ? "<strong>\(text)</strong>" : text))
        } else {
            rows.append(("Certificate", "none: plain HTTP, for a proxy"))
        }
        if let skew = facts.clockSkewSeconds {
            let text = "\(skew.magnitude) s \(skew < 0 ? "behind" : "ahead of") the last webhook"
            rows.append(("Clock", facts.isClockOff ? "<strong>\(text)</strong>" : text))
        } else {
            rows.append(("Clock", "not compared yet: no webhook has come since the start"))
        }
        rows.append(("Events waiting", "\(overview.pendingEvents)"))
        for state in FailoverState.allCases {
            rows.append(("Failovers, \(state.rawValue.replacing("_", with: " "))", "\(overview.failovers[state] ?? 0)"))
        }
        rows.append(("Database", "\(overview.databaseBytes / 1024) KiB"))
        rows.append(("Running", "sparekey \(escaped(facts.version)), started \(distance(to: facts.startedAt))"))
        let items = rows.map { "<dt>\($0.0)</dt><dd>\($0.1)</dd>" }.joined()
        return section("housekeeping", "Housekeeping", "<dl>\(items)</dl>")
    }
}
