internal import Ledger
internal import Time

/// Two plots as inline SVG, each with its content in words for who does not see it.
extension StatusPage {
    private static let days = 7
    private static let hoursPerBar = 3
    private static let (width, base) = (672, 100)

    var plots: String {
        section("history", "The last \(Self.days) days", failures + latency)
    }

    /// The start of the plot: a full hour.
    private var origin: Timestamp {
        let hour = now.secondsSinceEpoch / 3600 * 3600
        return Timestamp(secondsSinceEpoch: hour + 3600 - Int64(Self.days) * 86_400)
    }

    private func hours(since origin: Timestamp, _ instant: Timestamp) -> Int {
        Int(instant.duration(since: origin).inSeconds / 3600)
    }

    private var failures: String {
        let count = Self.days * 24 / Self.hoursPerBar
        var bars = [Overview.Failures](repeating: .init(), count: count)
        for (hour, value) in overview.failuresByHour {
            let index = hours(since: origin, hour) / Self.hoursPerBar
            guard hour >= origin, bars.indices.contains(index) else { continue }
            bars[index].failed += value.failed
            bars[index].substituted += value.substituted
        }
        let (failed, helped) = bars.reduce((0, 0)) { ($0.0 + $1.failed, $0.1 + $1.substituted) }
        let most = max(1, bars.map(\.failed).max() ?? 1)
        let step = Self.width / count
        let shapes = bars.enumerated().filter { $0.element.failed > 0 }.map { index, bar in
            let full = max(2, bar.failed * Self.base / most)
            let green = bar.substituted * full / bar.failed
            let x = index * step
            return """
                <rect class="bad" x="\(x)" y="\(Self.base - full)" width="\(step - 2)" height="\(full - green)"/>\
                <rect class="well" x="\(x)" y="\(Self.base - green)" width="\(step - 2)" height="\(green)"/>
                """
        }
        let words =
            failed == 0
            ? "No code has failed."
            : "Codes that have failed: \(failed); guests of these with a backup code: \(helped)."
        return figure("Codes that failed, every \(Self.hoursPerBar) hours; at most \(most)", words, shapes.joined())
    }

    private var latency: String {
        let points = acknowledgements.filter { $0.start >= origin && $0.count > 0 }
        let words: String
        var shapes = ""
        if points.isEmpty {
            words = "No webhook has come."
        } else {
            let worst = points.map(\.percentile99).max() ?? 0
            let count = points.reduce(0) { $0 + $1.count }
            words =
                "Webhooks: \(count); in the worst hour 99 of 100 were answered within \(seconds(worst))."
            let scale = Double(Self.base) / max(worst, 0.001)
            shapes = points.map { point in
                let x = hours(since: origin, point.start) * Self.width / (Self.days * 24)
                let bar = max(2, Int(point.percentile99 * scale))
                return "<rect class=\"line\" x=\"\(x)\" y=\"\(Self.base - bar)\" width=\"3\" height=\"\(bar)\"/>"
            }.joined()
        }
        return figure("Time to answer 99 of 100 webhooks, every hour", words, shapes)
    }

    private func seconds(_ seconds: Double) -> String {
        seconds < 1 ? "\(Int((seconds * 1000).rounded(.up))) ms" : "\(Int(seconds.rounded(.up))) s"
    }

    private func figure(_ title: String, _ words: String, _ shapes: String) -> String {
        let ticks = (0..<Self.days).map { day -> String in
            let instant = origin + .seconds(Int64(day) * 86_400)
            let label = Self.text(of: instant).split(separator: " ").prefix(2).joined(separator: " ")
            return "<span>\(label)</span>"
        }.joined()
        return """
            <figure><figcaption>\(title)</figcaption>
            <svg viewBox="0 0 \(Self.width) \(Self.base)" preserveAspectRatio="none" role="img" \
            aria-label="\(escaped(title + ". " + words))">\(shapes)</svg>
            <div class="ticks" aria-hidden="true">\(ticks)</div>
            <p>\(escaped(words))</p></figure>
            """
    }
}
