internal import Crypto
internal import JSON
internal import Time

extension SandboxRoute {
    static let webhooks = [
        SandboxRoute(
            "/webhooks/create", ["POST"], [.init("url", .uri, required: true), .init("event_types", .list(.text))]
        ) { state, input throws(SandboxError) in
            let types = input.texts("event_types") ?? ["*"]
            try check(types)
            let webhook = SandboxWebhook(
                id: state.random.uuid(), url: try input.required("url"), eventTypes: types,
                secrets: [state.newWebhookSecret()])
            state.webhooks.append(webhook)
            return ["webhook": webhook.json]
        },
        SandboxRoute("/webhooks/get", ["GET", "POST"], [.init("webhook_id", .text, required: true)]) {
            state, input throws(SandboxError) in
            ["webhook": state.webhooks[try index(of: input, in: state)].json]
        },
        SandboxRoute("/webhooks/list", ["GET", "POST"], []) { state, _ in
            ["webhooks": .array(state.webhooks.map(\.json))]
        },
        SandboxRoute(
            "/webhooks/update", ["PUT", "POST"],
            [.init("webhook_id", .text, required: true), .init("event_types", .list(.text), required: true)]
        ) { state, input throws(SandboxError) in
            let position = try index(of: input, in: state)
            let types = input.texts("event_types") ?? []
            try check(types)
            state.webhooks[position].eventTypes = types
            return [:]
        },
        SandboxRoute("/webhooks/delete", ["DELETE", "POST"], [.init("webhook_id", .text, required: true)]) {
            state, input throws(SandboxError) in
            let webhook = state.webhooks.remove(at: try index(of: input, in: state))
            state.deliveries.abandon(webhookID: webhook.id)
            return [:]
        },
    ]

    static func index(of input: SandboxInput, in state: SandboxState) throws(SandboxError) -> Int {
        let id = try input.required("webhook_id")
        guard let index = state.webhooks.firstIndex(where: { $0.id == id }) else {
            throw .notFound("webhook_not_found", "Webhook not found", "webhook_id", id)
        }
        return index
    }

    private static func check(_ types: [String]) throws(SandboxError) {
        let unknown = types.filter { $0 != "*" && !SandboxEventTypes.all.contains($0) }
        guard unknown.isEmpty else {
            throw SandboxError(400, "invalid_event_types", "Unknown event types: " + unknown.joined(separator: ", "))
        }
    }
}

extension SandboxState {
    /// As Svix issues them: 24 random bytes.
    func newWebhookSecret() -> String {
        let bytes = random.with { generator in (0..<24).map { _ in UInt8.random(in: 0...255, using: &generator) } }
        return "whsec_" + String(decoding: Base64.encode(bytes.span), as: UTF8.self)
    }
}
