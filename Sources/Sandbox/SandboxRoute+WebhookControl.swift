internal import JSON
internal import Time

extension SandboxRoute {
    static let controlOfWebhooks = [
        SandboxRoute(
            "/sandbox/webhooks/create", ["POST"],
            [
                .init("url", .uri, required: true), .init("secret", .text, required: true),
                .init("event_types", .list(.text)),
            ]
        ) { state, input throws(SandboxError) in
            // As /webhooks/create, with a secret that the receiver knows already.
            let webhook = SandboxWebhook(
                id: state.random.uuid(), url: try input.required("url"),
                eventTypes: input.texts("event_types") ?? ["*"], secrets: [try input.required("secret")])
            state.webhooks.append(webhook)
            return ["webhook": webhook.json]
        },
        SandboxRoute("/sandbox/webhooks/pause", ["POST"], []) { state, _ in
            state.deliveries.isPaused = true
            return [:]
        },
        SandboxRoute("/sandbox/webhooks/resume", ["POST"], []) { state, _ in
            state.deliveries.isPaused = false
            return [:]
        },
        SandboxRoute(
            "/sandbox/webhooks/faults/add", ["POST"],
            [
                .init("kind", .oneOf(SandboxWebhookFault.words), required: true), .init("event_type", .text),
                .init("count", .number), .init("seconds", .number),
            ]
        ) { state, input throws(SandboxError) in
            state.deliveries.add(try SandboxWebhookFault(input))
            return [:]
        },
        SandboxRoute("/sandbox/webhooks/faults/clear", ["POST"], []) { state, _ in
            state.deliveries.clearFaults()
            return [:]
        },
        SandboxRoute("/sandbox/webhooks/messages", ["GET", "POST"], []) { state, _ in
            ["messages": .array(state.deliveries.records.map(\.json))]
        },
        SandboxRoute(
            "/sandbox/webhooks/rotate_secret", ["POST"],
            [.init("webhook_id", .text, required: true), .init("keep", .number)]
        ) { state, input throws(SandboxError) in
            let position = try index(of: input, in: state)
            state.rotateSecret(
                ofWebhook: state.webhooks[position].id, keeping: input.integer("keep", in: 1...10) ?? 2)
            return ["webhook": state.webhooks[position].json]
        },
        SandboxRoute("/sandbox/webhooks/time_factor", ["POST"], [.init("factor", .number, required: true)]) {
            state, input in
            state.options.retryTimeFactor = min(max(input.number("factor") ?? 1, 0), 10)
            return [:]
        },
        SandboxRoute(
            "/sandbox/events/repeat", ["POST"],
            [.init("event_id", .uuid, required: true), .init("under_new_id", .boolean)]
        ) { state, input throws(SandboxError) in
            let id = try input.required("event_id")
            guard state.event(id) != nil else { throw .notFound("event_not_found", "Event not found", "event_id", id) }
            state.repeatEvent(id, underNewID: input.bool("under_new_id") ?? false, at: input.now)
            return [:]
        },
        SandboxRoute(
            "/sandbox/events/create", ["POST"],
            [.init("event_type", .text, required: true), .init("members", .object)]
        ) { state, input throws(SandboxError) in
            let event = state.emitCustom(
                try input.required("event_type"), members: input.members("members") ?? [], at: input.now)
            return ["event": event.json]
        },
    ]
}

extension SandboxMessageRecord {
    var json: JSONValue {
        [
            "message_id": .string(messageID), "webhook_id": .string(webhookID), "event_id": .string(eventID),
            "event_type": .string(eventType), "state": .string(state.rawValue),
            "attempts": .array(
                outcomes.map { outcome in
                    switch outcome {
                    case .response(let status, _): ["status": .integer(Int64(status))]
                    case .failure(let reason): ["failure": .string(reason)]
                    }
                }),
        ]
    }
}
