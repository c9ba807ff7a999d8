internal import JSON
internal import Time

// What drives the sandbox from tests in any language: POST with a JSON body, from loopback only, without a key.
extension SandboxRoute {
    static let control = [
        SandboxRoute(
            "/sandbox/devices/create", ["POST"],
            [
                .init("name", .text), .init("time_zone", .text), .init("online", .boolean),
                .init("supports_backup_access_code_pool", .boolean), .init("backup_access_code_pool_enabled", .boolean),
                .init("native_scheduling", .boolean), .init("pool_size", .number),
                .init("refill_delay_seconds", .number), .init("custom_metadata", .object),
            ]
        ) { state, input throws(SandboxError) in
            var specification = SandboxDeviceSpecification(name: input.text("name") ?? "Lock")
            if let zone = input.text("time_zone") { specification.timeZone = zone }
            specification.isOnline = input.bool("online") ?? true
            specification.supportsBackupPool = input.bool("supports_backup_access_code_pool") ?? true
            specification.isBackupPoolEnabled = input.bool("backup_access_code_pool_enabled") ?? true
            specification.schedulesNatively = input.bool("native_scheduling") ?? true
            specification.poolSize = input.integer("pool_size", in: 0...1000)
            specification.refillDelay = input.seconds("refill_delay_seconds")
            specification.customMetadata = input.members("custom_metadata") ?? []
            let id = state.createDevice(specification, at: input.now)
            return ["device": state.devices[id].map { json(of: $0, state) } ?? .null]
        },
        SandboxRoute(
            "/sandbox/access_codes/create", ["POST"],
            [
                .init("device_id", .uuid, required: true), .init("name", .text), .init("code", .pin),
                .init("starts_at", .timestamp), .init("ends_at", .timestamp), .init("is_set", .boolean),
            ]
        ) { state, input throws(SandboxError) in
            var specification = SandboxCodeSpecification(
                deviceID: try deviceID(of: input, in: state), name: input.text("name"),
                startsAt: input.timestamp("starts_at"), endsAt: input.timestamp("ends_at"),
                isSet: input.bool("is_set") ?? false)
            specification.pin = input.text("code")
            let id = state.createCode(specification, at: input.now)
            return ["access_code": state.codes[id].flatMap { state.json(of: $0) } ?? .null]
        },
        SandboxRoute(
            "/sandbox/access_codes/fail", ["POST"],
            [
                .init("access_code_id", .uuid, required: true), .init("after_seconds", .number),
                .init("warning_after_seconds", .number), .init("event_type", .text), .init("error_codes", .list(.text)),
            ]
        ) { state, input throws(SandboxError) in
            let id = try codeID(of: input, in: state)
            var failure = SandboxFailure()
            if let type = input.text("event_type") { failure.eventType = type }
            if let codes = input.texts("error_codes") { failure.errorCodes = codes }
            if let warning = input.seconds("warning_after_seconds") {
                state.schedule(.warnOfDelay(id), after: warning, at: input.now)
            }
            state.schedule(.fail(id, failure), after: input.seconds("after_seconds") ?? .zero, at: input.now)
            return [:]
        },
        step("/sandbox/access_codes/recover") { .recover($0) },
        step("/sandbox/access_codes/expire") { state, id, now in state.expireNow(id, at: now) },
        step("/sandbox/access_codes/delete") { state, id, now in state.delete(id, at: now) },
        step("/sandbox/access_codes/break_removal") { state, id, _ in state.codes[id]?.isRemovalBroken = true },
        deviceStep("/sandbox/devices/connect") { .connect($0) },
        deviceStep("/sandbox/devices/disconnect") { .disconnect($0) },
        SandboxRoute(
            "/sandbox/pool/set", ["POST"],
            [
                .init("device_id", .uuid, required: true), .init("size", .number),
                .init("refill_delay_seconds", .number), .init("next_code", .pin),
            ]
        ) { state, input throws(SandboxError) in
            let id = try deviceID(of: input, in: state)
            state.setPool(
                of: id, size: input.integer("size", in: 0...1000),
                refillDelay: input.seconds("refill_delay_seconds"), at: input.now)
            // What a test looks for afterwards, such as a PIN that must be nowhere else.
            if let pin = input.text("next_code"), let next = state.devices[id]?.pool.first {
                state.codes[next]?.pin = pin
            }
            return [:]
        },
        SandboxRoute(
            "/sandbox/pool/empty", ["POST"], [.init("device_id", .uuid, required: true), .init("refills", .boolean)]
        ) { state, input throws(SandboxError) in
            state.emptyPool(
                of: try deviceID(of: input, in: state), at: input.now, refills: input.bool("refills") ?? true)
            return [:]
        },
        SandboxRoute("/sandbox/pool/refill", ["POST"], [.init("device_id", .uuid, required: true)]) {
            state, input throws(SandboxError) in
            state.fillPool(of: try deviceID(of: input, in: state), at: input.now)
            return [:]
        },
        SandboxRoute("/sandbox/pool/refusal", ["POST"], [.init("status", .number), .init("type", .text)]) {
            state, input in
            state.options.emptyPoolStatus = input.integer("status", in: 400...599) ?? 400
            if let type = input.text("type") { state.options.emptyPoolErrorType = type }
            return [:]
        },
        SandboxRoute("/sandbox/clock/advance", ["POST"], [.init("seconds", .number, required: true)]) { state, input in
            let duration = input.seconds("seconds") ?? .zero
            state.clockOffset += duration
            state.advance(to: input.now + duration)
            return ["now": .string((input.now + duration).description)]
        },
        SandboxRoute("/sandbox/counters", ["GET", "POST"], []) { state, _ in
            let counters = state.counters
            return [
                "requests": json(of: counters.requests), "pulls": json(of: counters.pulls),
                "backups_pulled": .integer(Int64(counters.backupsPulled)),
                "faults_served": .integer(Int64(counters.faultsServed)), "events": .integer(Int64(state.events.count)),
            ]
        },
        SandboxRoute("/sandbox/counters/reset", ["POST"], []) { state, _ in
            state.counters = SandboxCounters()
            return [:]
        },
        SandboxRoute("/sandbox/faults/clear", ["POST"], []) { state, _ in
            state.faults = []
            return [:]
        },
        SandboxRoute("/sandbox/faults/add", ["POST"], SandboxFault.parameters) { state, input throws(SandboxError) in
            state.faults.append(try SandboxFault(input))
            return ["faults": .integer(Int64(state.faults.count))]
        },
    ]

    static func codeID(of input: SandboxInput, in state: SandboxState) throws(SandboxError) -> String {
        let id = try input.required("access_code_id")
        guard state.codes[id] != nil else { throw .accessCode(id) }
        return id
    }

    private static func json(of counts: [String: Int]) -> JSONValue {
        .object(counts.sorted { $0.key < $1.key }.map { .init($0.key, .integer(Int64($0.value))) })
    }

    /// A step of a code's life, now or after `after_seconds`.
    private static func step(_ path: String, _ step: @escaping @Sendable (String) -> SandboxAgenda.Step) -> SandboxRoute
    {
        SandboxRoute(path, ["POST"], [.init("access_code_id", .uuid, required: true), .init("after_seconds", .number)])
        {
            state, input throws(SandboxError) in
            let id = try codeID(of: input, in: state)
            state.schedule(step(id), after: input.seconds("after_seconds") ?? .zero, at: input.now)
            return [:]
        }
    }

    private static func step(
        _ path: String, _ act: @escaping @Sendable (inout SandboxState, String, Timestamp) -> Void
    ) -> SandboxRoute {
        SandboxRoute(path, ["POST"], [.init("access_code_id", .uuid, required: true)]) {
            state, input throws(SandboxError) in
            act(&state, try codeID(of: input, in: state), input.now)
            return [:]
        }
    }

    private static func deviceStep(
        _ path: String, _ step: @escaping @Sendable (String) -> SandboxAgenda.Step
    ) -> SandboxRoute {
        SandboxRoute(path, ["POST"], [.init("device_id", .uuid, required: true), .init("after_seconds", .number)]) {
            state, input throws(SandboxError) in
            let id = try deviceID(of: input, in: state)
            state.schedule(step(id), after: input.seconds("after_seconds") ?? .zero, at: input.now)
            return [:]
        }
    }
}
