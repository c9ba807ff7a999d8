internal import Signatures

/// A secret of the configuration: a row of the table `Settings.secretKeys`. It can be given in several ways, each
/// with a key of its own, and as a systemd credential.
struct SecretKey: Sendable {
    /// Checks one secret; the complaint never quotes it.
    typealias Check = @Sendable (SecretText) throws(Complaint) -> [String]

    /// The key for the secret itself, `seam.api_key`.
    let name: String
    /// `webhook.secrets`; nil where there can be only one secret.
    let listName: String?
    /// `seam.api_key_file`.
    var fileName: String { name + "_file" }
    /// The file's name in `$CREDENTIALS_DIRECTORY`.
    let credential: String
    let help: String
    let needsRestart: Bool
    let isRequired: @Sendable (Settings) -> Bool
    /// Returns what is unusual about a secret that works all the same.
    let check: Check
    let store: @Sendable ([SecretText], inout Settings) -> Void
    let isEqual: @Sendable (Settings, Settings) -> Bool

    /// One secret.
    static func one(
        _ name: String, _ field: any WritableKeyPath<Settings, SecretText?> & Sendable, credential: String,
        check: @escaping Check, restart: Bool = false, required: @escaping @Sendable (Settings) -> Bool, _ help: String
    ) -> SecretKey {
        SecretKey(
            name: name, listName: nil, credential: credential, help: help, needsRestart: restart, isRequired: required,
            check: check, store: { $1[keyPath: field] = $0.first },
            isEqual: { $0[keyPath: field] == $1[keyPath: field] })
    }

    /// One secret, or several while rotating.
    static func several(
        _ name: String, _ field: any WritableKeyPath<Settings, [SecretText]> & Sendable, credential: String,
        check: @escaping Check, required: @escaping @Sendable (Settings) -> Bool, _ help: String
    ) -> SecretKey {
        SecretKey(
            name: name, listName: name + "s", credential: credential, help: help, needsRestart: false,
            isRequired: required, check: check, store: { $1[keyPath: field] = $0 },
            isEqual: { $0[keyPath: field] == $1[keyPath: field] })
    }
}

extension SecretKey {
    /// The rows of `Settings.keys`: the secret itself, a list of them, its file. They only check the form; which of
    /// them counts is settled when all are known.
    var keys: [SettingsKey] {
        func key<Value>(
            _ name: String, _ type: ValueType<Value>, isSecret: Bool, _ help: String
        ) -> SettingsKey {
            // A change is reported once, under the first name.
            let always: @Sendable (Settings, Settings) -> Bool = { _, _ in true }
            return SettingsKey(
                name: name, expected: type.expected, help: help, defaultText: nil, needsRestart: needsRestart,
                isSecret: isSecret, isList: type.isList,
                store: { (written: WrittenValue, _: inout Settings) throws(Complaint) in _ = try type.read(written) },
                isEqual: name == self.name ? self.isEqual : always)
        }
        var keys = [
            key(name, ValueType<String>.string("the secret itself") { _ throws(Complaint) in }, isSecret: true, help)
        ]
        if let listName {
            keys.append(
                key(
                    listName, ValueType<[String]>.list("a list of secrets") { _ throws(Complaint) in }, isSecret: true,
                    "\(help); several while rotating"))
        }
        let content = listName == nil ? "a file that holds only it" : "a file that holds them, one a line"
        keys.append(key(fileName, ValueType<String>.path, isSecret: false, "\(help): \(content)"))
        return keys
    }

    var names: [String] { keys.map(\.name) }

    /// Where the secret comes from; nil where it is for the operator to know.
    var source: String? {
        name == "webhook.secret" ? "`sparekey webhook register` fetches it from Seam and stores it there" : nil
    }

    /// Every way to give the secret, for who gave it in none.
    var waysToGive: String {
        "put it into a file and name that as \(fileName), set \(SettingsKey.environmentName(for: name)) or "
            + "\(SettingsKey.environmentName(for: fileName)), give systemd's LoadCredential=\(credential):PATH, "
            + "or write \(name) in the configuration file where nobody else can read that"
    }
}

extension SecretKey {
    /// Seam's and ours, as Standard Webhooks writes them.
    static let signingSecret: Check = { secret throws(Complaint) in
        do throws(SecretError) {
            return try SigningSecret(secret.reveal).warnings.map(\.description)
        } catch {
            // The first sentence says what is wrong, the others what to do.
            let (problem, fix) = error.description.firstSentence
            throw Complaint(problem: problem, fix: fix)
        }
    }

    /// Goes into a request's header, so it is visible ASCII.
    static let apiKey: Check = { secret throws(Complaint) in
        try checkVisible(secret)
        if secret.reveal.utf8.starts(with: "whsec_".utf8) {
            throw Complaint(
                problem: "is a webhook's signing secret (whsec_), not an API key",
                fix: "create an API key in Seam Console, under Developer; the signing secret belongs to webhook.secret")
        }
        return []
    }

    /// RFC 6750, 2.1: what may stand after `Bearer`. The length keeps it from being guessed.
    static let bearerToken: Check = { secret throws(Complaint) in
        let advice = "make one with: openssl rand -hex 32"
        try checkVisible(secret, fix: advice)
        let isToken = secret.reveal.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-._~+/=".utf8.contains(byte)
            }
        }
        guard isToken else { throw Complaint(problem: "has a character that no bearer token has", fix: advice) }
        guard secret.reveal.utf8.count >= 16 else {
            throw Complaint(problem: "is shorter than 16 characters, so it could be guessed", fix: advice)
        }
        return []
    }

    private static func checkVisible(_ secret: SecretText, fix: String = "copy it again") throws(Complaint) {
        guard !secret.reveal.isEmpty else { throw Complaint(problem: "is empty", fix: fix) }
        guard secret.reveal.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Complaint(problem: "has a space, a line break or a character that is not ASCII in it", fix: fix)
        }
        let quotes = "\"'`".utf8
        if quotes.contains(where: { secret.reveal.utf8.first == $0 || secret.reveal.utf8.last == $0 }) {
            throw Complaint(problem: "has quotation marks around it, which are taken as part of it", fix: "remove them")
        }
        guard secret.reveal.utf8.count <= 4096 else {
            throw Complaint(problem: "is longer than 4096 bytes", fix: fix)
        }
    }
}

extension String {
    /// Split behind the first full stop that ends a sentence, neither half with one at its end.
    fileprivate var firstSentence: (String, String?) {
        let bytes = Array(utf8)
        let stop = bytes.indices.first {
            bytes[$0] == UInt8(ascii: ".") && (bytes.index(after: $0) == bytes.endIndex || bytes[$0 + 1] == 0x20)
        }
        guard let stop else { return (self, nil) }
        let rest = bytes[(stop + 1)...].drop { $0 == 0x20 }
        let fix = rest.last == UInt8(ascii: ".") ? rest.dropLast() : rest
        let problem = String(decoding: bytes[..<stop], as: UTF8.self)
        return (problem, fix.isEmpty ? nil : String(decoding: fix, as: UTF8.self))
    }
}
