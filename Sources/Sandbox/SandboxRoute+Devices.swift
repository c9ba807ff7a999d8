internal import JSON
internal import Time

extension SandboxRoute {
    static let devices = [
        SandboxRoute("/devices/get", ["GET", "POST"], [.init("device_id", .uuid), .init("name", .text)]) {
            state, input throws(SandboxError) in
            guard let key = input.text("device_id") ?? input.text("name") else {
                throw .invalid("device_id", "Must provide device_id or name")
            }
            let device = input.has("device_id") ? state.devices[key] : state.devices.values.first { $0.name == key }
            guard let device else { throw .device(key) }
            return ["device": json(of: device, state)]
        },
        SandboxRoute(
            "/devices/list", ["GET", "POST"],
            [
                .init("device_ids", .list(.uuid)), .init("connected_account_id", .uuid),
                .init("connected_account_ids", .list(.uuid)), .init("search", .text), .init("limit", .number),
                .init("page_cursor", .text, nullable: true), .init("device_type", .text),
                .init("device_types", .list(.text)),
                .init("manufacturer", .text), .init("created_before", .timestamp),
                .init("custom_metadata_has", .object),
            ] + ownersOfDevices, listDevices),
        SandboxRoute(
            "/devices/update", ["PATCH", "POST"],
            [
                .init("device_id", .uuid, required: true), .init("name", .freeText), .init("is_managed", .boolean),
                .init("backup_access_code_pool_enabled", .boolean), .init("custom_metadata", .object),
                .init("properties", .object),
            ], updateDevice),
        SandboxRoute(
            "/devices/simulate/connect", ["POST"], [.init("device_id", .uuid, required: true)]
        ) { state, input throws(SandboxError) in
            state.connect(try deviceID(of: input, in: state), at: input.now)
            return [:]
        },
        SandboxRoute(
            "/devices/simulate/disconnect", ["POST"], [.init("device_id", .uuid, required: true)]
        ) { state, input throws(SandboxError) in
            state.disconnect(try deviceID(of: input, in: state), at: input.now)
            return [:]
        },
    ]

    /// The device that a request names, which must be there.
    static func deviceID(of input: SandboxInput, in state: SandboxState) throws(SandboxError) -> String {
        let id = try input.required("device_id")
        guard state.devices[id] != nil else { throw .device(id) }
        return id
    }

    static func json(of device: SandboxDevice, _ state: SandboxState) -> JSONValue {
        device.json(workspaceID: state.workspaceID, accountID: state.accountID)
    }

    /// This workspace has no customers, users, spaces or Connect Webviews.
    private static let ownersOfDevices: [SandboxParameter] = [
        .init("connect_webview_id", .uuid), .init("customer_key", .text), .init("space_id", .uuid),
        .init("unstable_location_id", .uuid, nullable: true), .init("user_identifier_key", .text),
    ]

    private static let listDevices: Handler = { state, input throws(SandboxError) in
        var devices = state.devices.values.sorted { $0.order < $1.order }
        if let ids = input.texts("device_ids") { devices = devices.filter { ids.contains($0.id) } }
        let accounts = input.texts("connected_account_ids") ?? input.text("connected_account_id").map { [$0] }
        if let accounts, !accounts.contains(state.accountID) { devices = [] }
        let types = input.texts("device_types") ?? input.text("device_type").map { [$0] }
        if let types { devices = devices.filter { types.contains($0.deviceType) } }
        if let manufacturer = input.text("manufacturer"), manufacturer != "seam" { devices = [] }
        if let limit = input.timestamp("created_before") { devices = devices.filter { $0.createdAt < limit } }
        if let text = input.text("search") {
            devices = devices.filter { $0.id.hasPrefix(text) || $0.name.contains(text) }
        }
        if input.hasAny(of: ownersOfDevices) { devices = [] }
        // "Specify null to match a key that is unset. A key given an empty string is omitted from the filter."
        for wanted in input.members("custom_metadata_has") ?? [] where wanted.value != "" {
            devices = devices.filter { device in
                let found = device.customMetadata.first { $0.key == wanted.key }?.value
                return wanted.value == .null ? found == nil : found.map(text(of:)) == text(of: wanted.value)
            }
        }
        let (page, pagination) = try input.page(devices, id: \.id, defaultLimit: 500)
        return ["devices": .array(page.map { json(of: $0, state) }), "pagination": pagination]
    }

    /// Metadata are compared as text: a query has nothing else.
    private static func text(of value: JSONValue) -> String { value.string ?? value.description }

    private static let updateDevice: Handler = { state, input throws(SandboxError) in
        let id = try deviceID(of: input, in: state)
        var metadata = state.devices[id]?.customMetadata ?? []
        for member in input.members("custom_metadata") ?? [] {
            metadata.removeAll { $0.key == member.key }
            // Null and the empty string take the key away.
            if member.value == .null || member.value.string?.isEmpty == true { continue }
            guard member.value.string != nil || member.value.bool != nil, !member.key.contains("."),
                (1...40).contains(member.key.count), (member.value.string?.count ?? 0) <= 500, metadata.count < 50
            else {
                throw .invalid("custom_metadata", "Up to 50 keys of up to 40 characters, values text or boolean")
            }
            metadata.append(member)
        }
        state.devices[id]?.customMetadata = metadata
        if let name = input.text("name") ?? input.value("properties")?["name"]?.string, name != state.devices[id]?.name
        {
            state.devices[id]?.name = name
            state.emit("device.name_changed", deviceID: id, at: input.now, [.init("device_name", .string(name))])
        }
        switch input.bool("backup_access_code_pool_enabled") {
        case true: state.enablePool(of: id, at: input.now)
        case false: state.disablePool(of: id, at: input.now)
        default: break
        }
        return [:]
    }
}
