internal import JSON

extension SeamClient {
    package func webhooks() async throws(SeamError) -> [Webhook] {
        try await call("/webhooks/list", [:], missing: "missing_webhooks") {
            $0["webhooks"]?.array?.compactMap { Webhook($0) }
        }
    }

    /// The answer is the place where the secret is shown.
    package func createWebhook(
        url: String, eventTypes: [String] = SeamEvent.usedTypes
    ) async throws(SeamError) -> Webhook {
        let body: JSONValue = ["url": .string(url), "event_types": .array(eventTypes.map { .string($0) })]
        return try await call("/webhooks/create", body, isRepeatable: false, missing: "missing_webhook") {
            $0["webhook"].flatMap { Webhook($0) }
        }
    }

    /// Its URL cannot be changed at Seam, only its event types.
    package func updateWebhook(id: String, eventTypes: [String]) async throws(SeamError) {
        let body: JSONValue = ["webhook_id": .string(id), "event_types": .array(eventTypes.map { .string($0) })]
        try await call("/webhooks/update", body) { _ in () }
    }

    /// Has one webhook to `url` with exactly these event types, made now if there is none. Others to the same URL are left alone.
    package func registerWebhook(url: String, eventTypes: [String]) async throws(SeamError) -> WebhookRegistered {
        let all = try await webhooks()
        guard var ours = all.first(where: { $0.url == url }) else {
            return WebhookRegistered(
                webhook: try await createWebhook(url: url, eventTypes: eventTypes), change: .created, others: all)
        }
        let others = all.filter { $0.id != ours.id }
        if Set(ours.eventTypes) == Set(eventTypes) {
            return WebhookRegistered(webhook: ours, change: .unchanged, others: others)
        }
        try await updateWebhook(id: ours.id, eventTypes: eventTypes)
        ours.eventTypes = eventTypes
        return WebhookRegistered(webhook: ours, change: .updated, others: others)
    }

    package func deleteWebhook(id: String) async throws(SeamError) {
        try await call("/webhooks/delete", ["webhook_id": .string(id)]) { _ in () }
    }

    /// The key's workspace: also the check that the key is accepted.
    package func workspace() async throws(SeamError) -> Workspace {
        try await call("/workspaces/get", [:], missing: "missing_workspace") {
            $0["workspace"].flatMap { Workspace($0) }
        }
    }
}
