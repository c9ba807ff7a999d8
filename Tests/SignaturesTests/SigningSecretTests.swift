import Testing

@testable import Signatures

@Suite struct SigningSecretTests {
    static let good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    static let bare = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    static let mistakes: [(text: String, mistake: SecretError)] = [
        ("", .empty),
        ("whsec_", .prefixOnly),
        ("v1,\(good)", .versionPrefix),
        ("V1,\(good)", .versionPrefix),
        ("v1,\(bare)", .versionPrefix),
        ("\u{FEFF}\(good)", .byteOrderMark),
        ("\"\(good)\"", .quoted),
        ("'\(good)'", .quoted),
        ("\(good)\"", .quoted),
        ("`\(good)`", .quoted),
        ("\u{201C}\(good)\u{201D}", .quoted),
        (" \"\(good)\" ", .quoted),
        ("\"", .quoted),
        ("\(good)\n", .lineBreak),
        ("\(good)\r", .lineBreak),
        ("\(good)\n\(good)", .lineBreak),
        (" \(good)", .whitespace),
        ("\(good) ", .whitespace),
        ("\t\(good)", .whitespace),
        ("whsec_ \(bare)", .whitespace),
        ("whsec_MfKQ 9r8G", .whitespace),
        (" ", .whitespace),
        ("WHSEC_\(bare)", .prefixInWrongCase),
        ("Whsec_\(bare)", .prefixInWrongCase),
        ("whsec_\(good)", .doublePrefix),
        ("whsec_WHSEC_\(bare)", .doublePrefix),
        ("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", .asymmetricPublicKey),
        ("whpk1_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", .asymmetricPublicKey),
        ("whsec_whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", .asymmetricPublicKey),
        (
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
            .asymmetricPrivateKey
        ),
        ("whsk1_AAAA", .asymmetricPrivateKey),
        ("seam_test2bMS_94SrGUXuNR2JmJkjtvBQDg5c", .seamAPIKey),
        ("whsec_-__--__--__--__--__--__--__--__-", .urlSafeAlphabet),
        ("whsec_AA_A", .urlSafeAlphabet),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", .missingPadding),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg", .missingPadding),
        ("whsec_AQ=", .missingPadding),
        ("whsec_AQ===", .excessPadding),
        ("\(good)=", .excessPadding),
        ("\(good)====", .excessPadding),
        ("whsec_====", .excessPadding),
        ("\(good)A", .incomplete),
        ("\(good)A===", .incomplete),
        ("whsec_AR==", .nonZeroTrailingBits),
        ("whsec_AAB=", .nonZeroTrailingBits),
        ("whsec_MfKQ!r8G", .notBase64(position: 11)),
        ("MfKQ=r8G", .notBase64(position: 5)),
        ("!fKQ9r8G", .notBase64(position: 1)),
        ("whsec_MfKQ\u{E9}r8G", .notBase64(position: 11)),
        ("whsec_MfKQ\0r8G", .notBase64(position: 11)),
        ("${WEBHOOK_SECRET}", .notBase64(position: 1)),
        ("# the secret", .whitespace),
    ]

    @Test(arguments: mistakes) func namesTheMistake(_ text: String, _ mistake: SecretError) {
        #expect(throws: mistake) { try SigningSecret(text) }
        // The message says what to do, and nothing of the secret.
        #expect(mistake.description.contains(". "))
        #expect(!mistake.description.contains("MfKQ"))
        #expect(!String(reflecting: mistake).contains("MfKQ"))
    }

    @Test func everyMistakeHasItsOwnMessage() {
        var named: [SecretError] = []
        for (_, mistake) in Self.mistakes where !named.contains(mistake) { named.append(mistake) }
        named.append(.unusable("reason"))
        // 17 without a position, three positions, one reason.
        #expect(named.count == 17 + 3 + 1)
        #expect(Set(named.map(\.description)).count == named.count)
    }

    @Test func takesASecretWithAndWithoutItsPrefix() throws {
        let body: [UInt8] = [1, 2, 3]
        let signatures = try [Self.good, Self.bare].map {
            try SignatureSigner(secret: SigningSecret($0)).sign(id: "m", timestamp: 1, body: body.span)
        }
        #expect(signatures[0] == signatures[1])
    }

    @Test(arguments: [
        (1, SecretWarning.shortKey(keyBytes: 1)), (23, .shortKey(keyBytes: 23)), (24, nil), (32, nil), (75, nil),
        (76, .longKey(keyBytes: 76)), (100, .longKey(keyBytes: 100)),
    ])
    func warnsOfAnUnusualKey(_ keyBytes: Int, _ warning: SecretWarning?) throws {
        let text = "whsec_" + encoded([UInt8](repeating: 7, count: keyBytes))
        #expect(try SigningSecret(text).warnings == [warning].compactMap { $0 })
        if let warning { #expect(warning.description.contains("\(keyBytes) bytes")) }
    }

    @Test func nothingPrintsASecret() throws {
        let secret = try SigningSecret(Self.good)
        let verifier = try SignatureVerifier(secrets: [secret])
        let signer = SignatureSigner(secret: secret)
        let wrapped: [Any] = [secret, Optional(secret) as Any, [secret], ["k": secret], verifier, signer, secret.key]
        for value in wrapped {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), String(describing: value), dumped] {
                #expect(!text.contains("MfKQ"))
                // Neither as decoded bytes, in decimal or hexadecimal.
                #expect(!text.contains("242"))
                #expect(!text.lowercased().contains("f290f6"))
            }
        }
        #expect("\(secret)" == "SigningSecret(redacted)")
        #expect(secret.debugDescription == "SigningSecret(redacted)")
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }
}
