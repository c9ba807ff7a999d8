internal import JSON

/// The workspace that the key belongs to (Seam's API reference).
package struct Workspace: Sendable, Equatable {
    package var id: String
    package var name: String?
    package var isSandbox: Bool?
    /// Seam suspends sandboxes that nobody has used for 14 days.
    package var isSuspended: Bool?

    package init(id: String, name: String? = nil, isSandbox: Bool? = nil, isSuspended: Bool? = nil) {
        self.id = id
        self.name = name
        self.isSandbox = isSandbox
        self.isSuspended = isSuspended
    }

    init?(_ json: JSONValue) {
        guard let id = json.identifier("workspace_id") else { return nil }
        self.init(
            id: id, name: json["name"]?.string, isSandbox: json["is_sandbox"]?.bool,
            isSuspended: json["is_suspended"]?.bool)
    }
}
