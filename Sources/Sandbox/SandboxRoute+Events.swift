internal import JSON
internal import Time

extension SandboxRoute {
    static let events = [
        SandboxRoute(
            "/events/get", ["GET", "POST"],
            [.init("event_id", .uuid), .init("event_type", .text), .init("device_id", .uuid)]
        ) { state, input throws(SandboxError) in
            guard ["event_id", "event_type", "device_id"].contains(where: input.has) else {
                throw .invalid("event_id", "Must provide event_id, event_type or device_id")
            }
            let event = state.events.last { event in
                (input.text("event_id").map { $0 == event.id } ?? true)
                    && (input.text("event_type").map { $0 == event.type } ?? true)
                    && (input.text("device_id").map { $0 == event.deviceID } ?? true)
            }
            guard let event else {
                throw SandboxError(404, "event_not_found", "Event not found")
            }
            return ["event": event.json]
        },
        SandboxRoute(
            "/events/list", ["GET", "POST"],
            [
                .init("since", .timestamp), .init("between", .list(.timestamp)), .init("event_type", .text),
                .init("event_types", .list(.text)), .init("event_ids", .list(.uuid)), .init("device_id", .uuid),
                .init("device_ids", .list(.uuid)), .init("access_code_id", .uuid),
                .init("access_code_ids", .list(.uuid)),
                .init("connected_account_id", .uuid), .init("limit", .number), .init("unstable_offset", .number),
            ] + strangersToEvents, listEvents),
    ]

    /// This workspace has no grants, access systems, customers, users, spaces or Connect Webviews: no event is of one.
    private static let strangersToEvents: [SandboxParameter] = [
        .init("access_grant_id", .uuid), .init("access_grant_ids", .list(.uuid)), .init("access_method_id", .uuid),
        .init("access_method_ids", .list(.uuid)), .init("acs_access_group_id", .uuid),
        .init("acs_credential_id", .uuid), .init("acs_encoder_id", .uuid), .init("acs_entrance_id", .uuid),
        .init("acs_system_id", .uuid), .init("acs_system_ids", .list(.uuid)), .init("acs_user_id", .uuid),
        .init("connect_webview_id", .uuid), .init("customer_key", .text), .init("space_id", .uuid),
        .init("space_ids", .list(.uuid)), .init("user_identity_id", .uuid),
    ]

    private static let listEvents: Handler = { state, input throws(SandboxError) in
        guard input.has("since") || input.has("between") || input.has("event_ids") else {
            throw .invalid("since", "Must include since or between")
        }
        var after = input.timestamp("since")
        var before: Timestamp?
        if let interval = input.texts("between") {
            guard interval.count == 2 else { throw .invalid("between", "Array must contain exactly 2 element(s)") }
            after = Timestamp(interval[0])
            before = Timestamp(interval[1])
        }
        let types = input.texts("event_types") ?? input.text("event_type").map { [$0] }
        if let types, let unknown = types.first(where: { !SandboxEventTypes.all.contains($0) }) {
            throw .invalid("event_types", "Invalid enum value: \(unknown)")
        }
        let codes = (input.texts("access_code_ids") ?? input.text("access_code_id").map { [$0] }).map(Set.init)
        let devices = (input.texts("device_ids") ?? input.text("device_id").map { [$0] }).map(Set.init)
        let ids = input.texts("event_ids").map(Set.init)
        let account = input.text("connected_account_id")
        // Both ends are exclusive (Seam's API reference).
        var events = state.events.filter { event in
            (after.map { event.createdAt > $0 } ?? true) && (before.map { event.createdAt < $0 } ?? true)
                && (types?.contains(event.type) ?? true) && (ids?.contains(event.id) ?? true)
                && (codes.map { event.accessCodeID.map($0.contains) ?? false } ?? true)
                && (devices.map { event.deviceID.map($0.contains) ?? false } ?? true)
                && (account.map { event.json["connected_account_id"]?.string == $0 } ?? true)
        }
        if input.hasAny(of: strangersToEvents) { events = [] }
        if state.options.eventsNewestFirst { events.reverse() }
        let offset = input.integer("unstable_offset", in: 0...10_000_000) ?? 0
        let limit = input.integer("limit", in: 1...10_000) ?? 500
        return ["events": .array(events.dropFirst(offset).prefix(limit).map(\.json))]
    }
}
