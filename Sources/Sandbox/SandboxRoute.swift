internal import JSON
internal import Time

/// A path with its methods and parameters, and what it does to the state.
struct SandboxRoute: Sendable {
    typealias Handler = @Sendable (inout SandboxState, SandboxInput) throws(SandboxError) -> JSONValue

    var path: String
    var methods: [String]
    var parameters: [SandboxParameter]
    /// Gives the members of the answer other than `ok`.
    var handler: Handler

    init(_ path: String, _ methods: [String], _ parameters: [SandboxParameter], _ handler: @escaping Handler) {
        self.path = path
        self.methods = methods
        self.parameters = parameters
        self.handler = handler
    }

    /// What drives the sandbox itself, for loopback only.
    var isControl: Bool { path.hasPrefix("/sandbox/") }
    var needsKey: Bool { !isControl && path != "/health" }

    static let all: [String: SandboxRoute] = {
        let routes = accessCodes + devices + events + webhooks + workspace + control + controlOfWebhooks
        return Dictionary(routes.map { ($0.path, $0) }) { first, _ in first }
    }()

    private static let workspace = [
        SandboxRoute("/workspaces/get", ["GET", "POST"], []) { state, _ in
            [
                "workspace": [
                    "workspace_id": .string(state.workspaceID), "name": "Sparekey Sandbox", "company_name": "Sparekey",
                    "connect_partner_name": "Sparekey", "is_sandbox": true, "is_suspended": false,
                    "is_publishable_key_auth_enabled": false, "organization_id": .null,
                    "connect_webview_customization": [:],
                ]
            ]
        },
        SandboxRoute("/health", ["GET", "POST"], []) { _, input in
            [
                "msg": "I’m one with the Force. The Force is with me.",
                "last_service_evaluation_at": .string(input.now.description), "service_health_statuses": [],
            ]
        },
    ]
}
