import Crypto
import Testing

@testable import Signatures

@Suite struct SignatureVerifierTests {
    static let now: Int64 = 1_614_265_330
    let body = Array(#"{"test": 2432232314}"#.utf8)
    let secrets: [SigningSecret]

    init() throws {
        secrets = try [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
        ].map { try SigningSecret($0) }
    }

    private func signed(
        _ secrets: [SigningSecret], id: String = "msg_1", timestamp: Int64 = now, family: HeaderFamily = .svix
    ) throws -> [Field] {
        try SignatureSigner(secrets: secrets)
            .headers(family: family, id: id, timestamp: timestamp, body: body.span)
            .map { Field($0.name, $0.value) }
    }

    private func outcome(
        _ fields: [Field], _ secrets: [SigningSecret], now: Int64 = now, tolerance: Duration = .seconds(300)
    ) throws -> String {
        do {
            _ = try SignatureVerifier(secrets: secrets, tolerance: tolerance)
                .verify(headers: fields.slices, body: body.span, now: now)
            return "accept"
        } catch let failure as VerificationFailure {
            return failure.reason.rawValue
        }
    }

    /// Seam API facts, section 8: the vector of Svix's documentation and one of the shape of Seam's events.
    @Test func acceptsTheVectorsOfTheSeamFacts() throws {
        let ping = Array(#"{"event_type":"ping","data":{"success":true}}"#.utf8)
        let event = Array(Self.seamEvent.utf8)
        for (secret, id, timestamp, body, signature) in [
            (
                "whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", Int64(1_731_705_121), ping,
                "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
            ),
            (
                "whsec_c3BhcmVrZXktdGVzdC1zZWNyZXQtMjRi", "msg_2sparekeyVector0000000001", Int64(1_795_191_602), event,
                "v1,h51iy32JrFb4jJB0ZjgWjP6gQxiA8dGHFm9F6vngeFA="
            ),
        ] {
            let secret = try SigningSecret(secret)
            let made = try SignatureSigner(secret: secret).sign(id: id, timestamp: timestamp, body: body.span)
            #expect(made == signature)
            let fields = [
                Field("svix-id", id), Field("svix-timestamp", String(timestamp)), Field("svix-signature", signature),
            ]
            let message = try SignatureVerifier(secrets: [secret])
                .verify(headers: fields.slices, body: body.span, now: timestamp + 2)
            #expect(message == VerifiedMessage(id: Array(id.utf8), timestamp: timestamp, clockSkewSeconds: 2))
        }
    }

    @Test(arguments: HeaderFamily.allCases) func acceptsWhatItsOwnSignerSends(_ family: HeaderFamily) throws {
        let fields = try signed([secrets[0]], family: family)
        #expect(fields.map(\.name) == ["id", "timestamp", "signature"].map { "\(family.rawValue)-\($0)" })
        #expect(try outcome(fields, [secrets[0]]) == "accept")
    }

    /// Sender and receiver replace secrets at different times; any secret in common is enough, wherever it stands.
    @Test func acceptsWhereAnySecretIsInCommon() throws {
        for (senders, receivers, expected) in [
            ([0, 1, 2], [0], "accept"), ([0, 1, 2], [1], "accept"), ([0, 1, 2], [2], "accept"),
            ([0], [0, 1, 2], "accept"), ([1], [0, 1, 2], "accept"), ([2], [0, 1, 2], "accept"),
            ([0, 1], [1, 2], "accept"), ([0, 1], [2], "signature_mismatch"), ([2], [0, 1], "signature_mismatch"),
        ] {
            let fields = try signed(senders.map { secrets[$0] })
            #expect(try outcome(fields, receivers.map { secrets[$0] }) == expected, "\(senders) \(receivers)")
        }
    }

    @Test func judgesTheTimeOnlyOfWhatIsAuthentic() throws {
        let old = try signed([secrets[0]], timestamp: Self.now - 86_400)
        #expect(try outcome(old, [secrets[0]]) == "too_old")
        #expect(try outcome(old, [secrets[1]]) == "signature_mismatch")
        let new = try signed([secrets[0]], timestamp: Self.now + 86_400)
        #expect(try outcome(new, [secrets[0]]) == "too_new")
        #expect(try outcome(new, [secrets[1]]) == "signature_mismatch")
    }

    @Test(arguments: [
        (-301, "too_new"), (-300, "accept"), (-1, "accept"), (0, "accept"), (300, "accept"), (301, "too_old"),
    ])
    func holdsToTheTolerance(_ skew: Int64, _ expected: String) throws {
        let fields = try signed([secrets[0]])
        #expect(try outcome(fields, [secrets[0]], now: Self.now + skew) == expected)
        let tight = skew == 0 ? "accept" : skew < -1 ? "too_new" : skew > 1 ? "too_old" : "accept"
        #expect(try outcome(fields, [secrets[0]], now: Self.now + skew, tolerance: .seconds(1)) == tight)
    }

    @Test(arguments: [Int64.min, .max]) func aClockFarOffIsNoTrap(_ now: Int64) throws {
        for timestamp in [1, SignedContent.maximumTimestamp] {
            let fields = try signed([secrets[0]], timestamp: timestamp)
            #expect(try outcome(fields, [secrets[0]], now: now) == (now < 0 ? "too_new" : "too_old"))
        }
    }

    @Test func aFailureSaysHowFarTheClockIsOff() throws {
        let verifier = try SignatureVerifier(secrets: secrets)
        let fields = try signed([secrets[0]])
        #expect(throws: VerificationFailure.tooOld(clockSkewSeconds: 400)) {
            try verifier.verify(headers: fields.slices, body: body.span, now: Self.now + 400)
        }
        #expect(throws: VerificationFailure.tooNew(clockSkewSeconds: -400)) {
            try verifier.verify(headers: fields.slices, body: body.span, now: Self.now - 400)
        }
        #expect("\(VerificationFailure.tooNew(clockSkewSeconds: -400))".contains("400 s"))
    }

    @Test func trimsWhitespaceAroundValuesOnly() throws {
        let fields = try signed([secrets[0]])
        for (before, after) in [(" ", ""), ("", "\t"), (" \t ", "\t\t ")] {
            let padded = fields.map { Field($0.name, before + $0.value + after) }
            #expect(try outcome(padded, [secrets[0]]) == "accept")
        }
        for (index, expected) in [(0, "bad_id"), (1, "bad_timestamp"), (2, "accept")] {
            var inner = fields
            let value = inner[index].value
            inner[index] = Field(inner[index].name, value.prefix(1) + "x y " + value)
            if index == 2 { inner[index] = Field(inner[index].name, "x y " + value) }
            #expect(try outcome(inner, [secrets[0]]) == expected)
        }
        // Only space and tab are white space of HTTP.
        for character in ["\u{0B}", "\u{A0}", "\r", "\0"] {
            var odd = fields
            odd[0] = Field("svix-id", odd[0].value + character)
            #expect(try outcome(odd, [secrets[0]]) == "bad_id")
        }
        var blank = fields
        blank[0] = Field("svix-id", " ")
        #expect(try outcome(blank, [secrets[0]]) == "bad_id")
    }

    @Test func foldsTheCaseOfASCIILettersAlone() throws {
        let fields = try signed([secrets[0]], family: .webhook)
        #expect(try outcome(fields.map { Field($0.name.uppercased(), $0.value) }, [secrets[0]]) == "accept")
        // U+212A KELVIN SIGN and U+017F LONG S: String would fold them to k and s.
        var kelvin = fields
        kelvin[0] = Field("webhoo\u{212A}-id", fields[0].value)
        #expect(try outcome(kelvin, [secrets[0]]) == "missing_header")
        // Names one bit from a letter: `[` is not `{`, `@` not a backquote, and a hyphen has no case.
        for name in ["webhook\u{0D}id", "webhook_id", "webhook-id ", "webhook-i$", "svix-ids", "svix"] {
            var odd = fields
            odd[0] = Field(name, fields[0].value)
            #expect(try outcome(odd, [secrets[0]]) == "missing_header")
        }
    }

    @Test func neverMixesFamilies() throws {
        let svix = try signed([secrets[0]])
        let webhook = try signed([secrets[0]], family: .webhook)
        for index in 0..<3 {
            // One header of the svix family makes it the one that counts.
            #expect(try outcome(webhook + [svix[index]], [secrets[0]]) == "missing_header")
            var mixed = svix
            mixed[index] = webhook[index]
            #expect(try outcome(mixed, [secrets[0]]) == "missing_header")
            #expect(try outcome(svix + [svix[index]], [secrets[0]]) == "duplicate_header")
            #expect(try outcome(svix + [Field(svix[index].name.uppercased(), "")], [secrets[0]]) == "duplicate_header")
            #expect(try outcome(webhook + [webhook[index]], [secrets[0]]) == "duplicate_header")
            // Repeats within the family that does not count are nothing to it.
            #expect(try outcome(svix + [webhook[index], webhook[index]], [secrets[0]]) == "accept")
        }
        #expect(try outcome([], [secrets[0]]) == "missing_header")
    }

    @Test(arguments: [
        ("1", true), ("999999999999999", true), ("1000000000000000", false), ("0", false), ("01", false),
        ("1 2", false), ("-1", false), ("/", false), (":", false), ("1.", false), ("９", false),
    ])
    func takesATimestampInItsOneForm(_ text: String, _ isGood: Bool) {
        #expect((SignedContent.timestamp(Array(text.utf8)[...]) != nil) == isGood)
    }

    @Test func boundsTheMessageID() throws {
        for (id, isGood) in [
            ("!", true), ("~", true), (String(repeating: "x", count: 256), true),
            (String(repeating: "x", count: 257), false), ("a.b", false), (".", false), ("a b", false), ("é", false),
            ("a\u{7F}", false), ("a\u{1F}", false), ("", false),
        ] {
            #expect(SignedContent.isValidID(id.utf8) == isGood)
            let signer = SignatureSigner(secret: secrets[0])
            if isGood {
                #expect(try outcome(signed([secrets[0]], id: id), [secrets[0]]) == "accept")
            } else {
                #expect(throws: SigningError.badID) { try signer.sign(id: id, timestamp: 1, body: body.span) }
            }
        }
    }

    @Test func boundsTheSignatureHeader() throws {
        let fields = try signed([secrets[0]])
        for (length, expected) in [(4096, "accept"), (4097, "bad_signature_header")] {
            let filling = String(repeating: "x", count: length - fields[2].value.utf8.count - 1)
            let long = Array(fields[..<2]) + [Field("svix-signature", filling + " " + fields[2].value)]
            #expect(try outcome(long, [secrets[0]]) == expected)
        }
    }

    @Test func everyChangedByteOfTheSignatureIsRefused() throws {
        let fields = try signed([secrets[0]])
        let good = Array(fields[2].value.utf8)
        let verifier = try SignatureVerifier(secrets: secrets)
        let base = fields.slices
        for index in good.indices {
            for byte in UInt8.min...UInt8.max where byte != good[index] {
                var changed = good
                changed[index] = byte
                let headers = [base[0], base[1], (name: base[2].name, value: changed[...])]
                #expect(throws: VerificationFailure.self) {
                    try verifier.verify(headers: headers, body: body.span, now: Self.now)
                }
            }
        }
    }

    @Test func thereIsNoVerifierWithoutASecret() {
        #expect(throws: SignatureVerifier.ConfigurationError.noSecrets) { try SignatureVerifier(secrets: []) }
        #expect(throws: SigningError.noSecrets) { try SignatureSigner(secrets: []) }
        for tolerance in [Duration.zero, .seconds(-300), .milliseconds(999)] {
            #expect(throws: SignatureVerifier.ConfigurationError.toleranceTooShort) {
                try SignatureVerifier(secrets: secrets, tolerance: tolerance)
            }
        }
    }

    @Test(arguments: [0, -1, Int64.min, SignedContent.maximumTimestamp + 1, .max])
    func signsNoTimeThatItWouldNotTake(_ timestamp: Int64) {
        let signer = SignatureSigner(secret: secrets[0])
        #expect(throws: SigningError.badTimestamp) { try signer.sign(id: "m", timestamp: timestamp, body: body.span) }
    }

    @Test func aFailureSaysNothingOfTheRequest() {
        let failures: [VerificationFailure] = [
            .missingHeader, .duplicateHeader, .badID, .badTimestamp, .badSignatureHeader, .signatureMismatch,
            .noV1Signature, .tooOld(clockSkewSeconds: 301), .tooNew(clockSkewSeconds: -301),
            .cryptographyFailed(OpenSSLError(operation: "EVP_MAC_init", entries: [])),
        ]
        #expect(failures.map(\.reason) == VerificationFailure.Reason.allCases)
        #expect(Set(failures.map(\.description)).count == failures.count)
    }

    static let seamEvent =
        #"{"event_id":"66666666-6666-4666-8666-666666666666","workspace_id":"11111111-1111-4111-8111-111111111111","#
        + #""created_at":"2026-11-20T16:20:02.400Z","occurred_at":"2026-11-20T16:20:02.114Z","#
        + #""access_code_id":"44444444-4444-4444-8444-444444444444","device_id":"22222222-2222-4222-8222-222222222222","#
        + #""connected_account_id":"33333333-3333-4333-8333-333333333333","#
        + #""event_type":"access_code.failed_to_set_on_device","access_code_errors":[{"error_code":"#
        + #""failed_to_set_on_device","message":"An error occurred when we tried to set the access code on the device. "#
        + #"We will continue to try and set the code on the device in case the error was temporary.","created_at":"#
        + #""2026-11-20T16:20:02.114Z"}],"access_code_warnings":[],"device_errors":[{"error_code":"#
        + #""device_disconnected","message":"Device is disconnected.","created_at":"2026-11-20T14:02:11.000Z"}],"#
        + #""device_warnings":[],"connected_account_errors":[],"connected_account_warnings":[],"#
        + #""device_custom_metadata":{},"connected_account_custom_metadata":{}}"#
}

func encoded(_ bytes: [UInt8]) -> String {
    String(decoding: Base64.encode(bytes.span), as: UTF8.self)
}
