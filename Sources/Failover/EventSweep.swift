package import Ledger
package import Seam
package import Time

/// Finds the events whose webhooks never came: asks Seam for what happened since the last sweep, with an overlap, and puts it into
/// the same inbox.
package struct EventSweep: Sendable {
    private static let watermark = "events"
    /// Seam's default page; a full page is asked for again in two halves, since neither order nor a cursor is promised.
    private static let pageLimit = 500

    private let ledger: Ledger
    private let seam: SeamClient
    private let clock: any WallClock
    private let overlap: Duration
    private let eventTypes: [String]

    package init(
        ledger: Ledger, seam: SeamClient, clock: any WallClock, overlap: Duration, eventTypes: [String]
    ) {
        self.ledger = ledger
        self.seam = seam
        self.clock = clock
        self.overlap = overlap
        self.eventTypes = eventTypes
    }

    /// Sweeps up to now. The watermark moves only once all of it is in the inbox, so that a sweep that dies is made again.
    ///
    /// - Returns: how many events were new.
    package func sweep() async throws -> Int {
        let end = clock.now()
        let start = (try await ledger.watermark(Self.watermark) ?? end) - overlap
        let found = try await events(from: start, to: end)
        // One without an ID could not be told from itself at the next sweep; a webhook of it would be put aside for a person.
        let readable = found.compactMap { listed in listed.event.map { (event: $0, body: listed.bytes) } }
        let ordered = readable.sorted {
            ($0.event.createdAt ?? end, $0.event.eventID) < ($1.event.createdAt ?? end, $1.event.eventID)
        }
        let added = try await ledger.appendSwept(
            ordered.map { (eventID: $0.event.eventID, body: $0.body) }, now: clock.now())
        try await ledger.setWatermark(Self.watermark, to: end)
        return added
    }

    /// The events created in `[start, end)`.
    private func events(from start: Timestamp, to end: Timestamp) async throws -> [ListedEvent] {
        guard start < end else { return [] }
        let page = try await seam.events(
            .between(start - .milliseconds(1), end), types: eventTypes, limit: Self.pageLimit)
        let span = end.duration(since: start)
        guard page.count >= Self.pageLimit, span > .milliseconds(1) else { return page }
        let middle = start + span / 2
        return try await events(from: start, to: middle) + events(from: middle, to: end)
    }
}
