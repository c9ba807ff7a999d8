internal import JSON
internal import Time

extension SandboxRoute {
    static let accessCodes = [
        SandboxRoute(
            "/access_codes/get", ["GET", "POST"],
            [.init("access_code_id", .uuid), .init("device_id", .uuid), .init("code", .text)], getCode),
        SandboxRoute(
            "/access_codes/list", ["GET", "POST"],
            [
                .init("device_id", .uuid), .init("access_code_ids", .list(.uuid)), .init("search", .text),
                .init("limit", .number), .init("page_cursor", .text, nullable: true),
            ] + ownersOfCodes, listCodes),
        SandboxRoute(
            "/access_codes/create", ["POST"],
            [
                .init("device_id", .uuid, required: true), .init("name", .freeText), .init("code", .pin),
                .init("starts_at", .timestamp), .init("ends_at", .timestamp), .init("common_code_key", .text),
                .init("use_backup_access_code_pool", .boolean), .init("preferred_code_length", .number),
                .init("is_external_modification_allowed", .boolean), .init("allow_external_modification", .boolean),
            ], createCode),
        SandboxRoute(
            "/access_codes/update", ["PATCH", "POST", "PUT"],
            [
                .init("access_code_id", .uuid, required: true), .init("device_id", .uuid), .init("name", .freeText),
                .init("code", .pin), .init("starts_at", .timestamp), .init("ends_at", .timestamp),
                .init("type", .oneOf(["ongoing", "time_bound"])), .init("is_managed", .boolean),
                .init("is_external_modification_allowed", .boolean), .init("allow_external_modification", .boolean),
            ], updateCode),
        SandboxRoute(
            "/access_codes/delete", ["DELETE", "POST"],
            [.init("access_code_id", .uuid, required: true), .init("device_id", .uuid)]
        ) { state, input throws(SandboxError) in
            let id = try input.required("access_code_id")
            guard state.codes[id] != nil else { throw .accessCode(id) }
            state.delete(id, at: input.now)
            return ["action_attempt": attempt("DELETE_ACCESS_CODE", state)]
        },
        SandboxRoute(
            "/access_codes/pull_backup_access_code", ["POST"], [.init("access_code_id", .uuid, required: true)],
            pullBackup),
        SandboxRoute(
            "/access_codes/unmanaged/list", ["GET", "POST"],
            [
                .init("device_id", .uuid, required: true), .init("limit", .number),
                .init("page_cursor", .text, nullable: true), .init("search", .text),
            ]
        ) { state, input throws(SandboxError) in
            let id = try input.required("device_id")
            guard state.devices[id] != nil else { throw .device(id) }
            let (_, pagination) = try input.page([String](), id: { $0 }, defaultLimit: 300_000)
            return ["access_codes": [], "pagination": pagination]
        },
    ]

    /// This workspace has no grants, customers or users.
    private static let ownersOfCodes: [SandboxParameter] = [
        .init("access_method_id", .uuid), .init("access_grant_id", .uuid), .init("access_grant_key", .text),
        .init("customer_key", .text), .init("user_identifier_key", .text),
    ]

    private static let getCode: Handler = { state, input throws(SandboxError) in
        var found: SandboxCode?
        if let id = input.text("access_code_id") {
            found = state.codes[id]
            if found == nil { throw .accessCode(id) }
        } else if let deviceID = input.text("device_id"), let pin = input.text("code") {
            found = state.codes(on: deviceID).first { $0.pin == pin }
        } else {
            throw .invalid("access_code_id", "Must provide access_code_id or both device_id and code")
        }
        guard let code = found, let json = state.json(of: code) else {
            throw SandboxError(404, "access_code_not_found", "Access code not found")
        }
        if code.hiddenReads > 0 { state.codes[code.id]?.hiddenReads -= 1 }
        return ["access_code": json]
    }

    private static let listCodes: Handler = { state, input throws(SandboxError) in
        let filters = ["device_id", "access_code_ids", "search"] + ownersOfCodes.map(\.name)
        guard filters.contains(where: input.has) else {
            throw .invalid("device_id", "Must provide at least one of " + filters.joined(separator: ", "))
        }
        var codes: [SandboxCode]
        if let ids = input.texts("access_code_ids") {
            codes = Set(ids).compactMap { state.codes[$0] }.sorted { $0.order < $1.order }
        } else {
            codes = input.text("device_id").map { state.codes(on: $0) } ?? state.codes.all
            // What lies in a pool is not listed: whether Seam does is unknown, its own fake does not.
            codes = codes.filter { !$0.isBackup || $0.isTimeBound }
        }
        if let id = input.text("device_id") {
            guard state.devices[id] != nil else { throw .device(id) }
            codes = codes.filter { $0.deviceID == id }
        }
        if let text = input.text("search") {
            codes = codes.filter { $0.name?.contains(text) == true || $0.pin.contains(text) || $0.id.contains(text) }
        }
        if input.hasAny(of: ownersOfCodes) { codes = [] }
        let (page, pagination) = try input.page(codes, id: \.id, defaultLimit: 55_000)
        return ["access_codes": .array(page.compactMap { state.json(of: $0) }), "pagination": pagination]
    }

    private static let createCode: Handler = { state, input throws(SandboxError) in
        let deviceID = try input.required("device_id")
        guard let device = state.devices[deviceID] else { throw .device(deviceID) }
        let (startsAt, endsAt) = (input.timestamp("starts_at"), input.timestamp("ends_at"))
        guard (startsAt == nil) == (endsAt == nil) else {
            throw .invalid("ends_at", "Both starts_at and ends_at must be provided if one is")
        }
        let usesPool = input.bool("use_backup_access_code_pool") == true
        if let startsAt, let endsAt {
            try check(startsAt, endsAt, now: input.now)
        } else if usesPool {
            throw .invalid("use_backup_access_code_pool", "Cannot use the backup pool for ongoing codes")
        }
        if usesPool, !device.supportsBackupPool {
            throw SandboxError(400, "unsupported_device", "Device does not support backup access code pools")
        }
        let name = input.text("name")
        // Codes with the same key are guaranteed the same PIN (Seam's API reference), so one that is taken here is refused.
        let pin = input.text("code") ?? input.text("common_code_key").flatMap { state.pin(ofKey: $0) }
        if let pin { try checkUnique(pin, deviceID: deviceID, except: nil, in: state) }
        let length = input.integer("preferred_code_length", in: 4...8) ?? 4
        var code = SandboxCode(
            id: state.random.uuid(), deviceID: deviceID, name: name,
            pin: pin ?? state.freePIN(on: deviceID, length: length),
            isTimeBound: startsAt != nil, startsAt: startsAt, endsAt: endsAt, createdAt: input.now)
        code.commonCodeKey = input.text("common_code_key")
        code.isExternalModificationAllowed =
            input.bool("is_external_modification_allowed") ?? input.bool("allow_external_modification") ?? false
        if usesPool { state.enablePool(of: deviceID, at: input.now) }
        state.add(code, at: input.now)
        let json = state.codes[code.id].flatMap { state.json(of: $0) } ?? .null
        return ["access_code": json, "action_attempt": attempt("CREATE_ACCESS_CODE", state)]
    }

    private static let updateCode: Handler = { state, input throws(SandboxError) in
        let id = try input.required("access_code_id")
        guard let code = state.codes[id] else { throw .accessCode(id) }
        var change = SandboxCodeChange(
            name: input.text("name"), pin: input.text("code"), startsAt: input.timestamp("starts_at"),
            endsAt: input.timestamp("ends_at"))
        change.becomesOngoing = input.text("type") == "ongoing"
        change.isExternalModificationAllowed =
            input.bool("is_external_modification_allowed") ?? input.bool("allow_external_modification")
        if change.startsAt != nil || change.endsAt != nil || input.text("type") == "time_bound" {
            guard let startsAt = change.startsAt ?? code.startsAt, let endsAt = change.endsAt ?? code.endsAt else {
                throw .invalid("ends_at", "Both starts_at and ends_at must be provided if one is")
            }
            try check(startsAt, endsAt, now: input.now)
        }
        if let pin = change.pin { try checkUnique(pin, deviceID: code.deviceID, except: id, in: state) }
        state.update(id, change, at: input.now)
        return ["action_attempt": attempt("UPDATE_ACCESS_CODE", state)]
    }

    private static let pullBackup: Handler = { state, input throws(SandboxError) in
        let id = try input.required("access_code_id")
        let backup: SandboxCode
        do throws(SandboxState.PullRefusal) {
            backup = try state.pull(id, at: input.now)
        } catch {
            switch error {
            case .notFound: throw .accessCode(id)
            case .notTimeBound, .isBackup:
                throw SandboxError(
                    400, "access_code_not_time_bound", "Backups can only be used for time_bound access codes.")
            case .backupGone:
                throw SandboxError(404, "backup_access_code_not_found", "Backup access code not found")
            case .unsupported:
                throw SandboxError(400, "unsupported_device", "Device does not support backup access code pools")
            case .empty:
                throw SandboxError(
                    state.options.emptyPoolStatus, state.options.emptyPoolErrorType,
                    "No backup access code is available on this device.")
            }
        }
        let json = state.json(of: backup) ?? .null
        return ["backup_access_code": json, "access_code": json]
    }

    private static func check(_ startsAt: Timestamp, _ endsAt: Timestamp, now: Timestamp) throws(SandboxError) {
        if endsAt <= startsAt { throw .invalid("ends_at", "ends_at must be after starts_at") }
        if endsAt <= now { throw .invalid("ends_at", "ends_at must be in the future") }
    }

    private static func checkUnique(
        _ pin: String, deviceID: String, except id: String?, in state: SandboxState
    ) throws(SandboxError) {
        if state.codes.on(deviceID).contains(where: { $0.pin == pin && $0.id != id }) {
            throw SandboxError(409, "duplicate_access_code", "Cannot set duplicate access code on this device")
        }
    }

    /// Internal and deprecated at Seam; the schema demands it.
    private static func attempt(_ type: String, _ state: SandboxState) -> JSONValue {
        [
            "action_attempt_id": .string(state.random.uuid()), "action_type": .string(type), "status": "pending",
            "result": .null, "error": .null,
        ]
    }
}
