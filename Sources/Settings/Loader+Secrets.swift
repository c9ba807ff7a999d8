extension Loader {
    /// Secrets as they were found.
    private struct Found {
        var secrets: [(text: SecretText, line: Int?)]
        let source: Finding.Source
    }

    /// A file with more in it holds something else.
    private static let secretFileLimitBytes = 64 * 1024

    mutating func readSecrets() {
        for key in Settings.secretKeys {
            checkGivenOnce(key, in: fromEnvironment)
            checkGivenOnce(key, in: fromFile)
            if key.names.contains(where: refused.contains) { continue }
            settings.secretPlaces[key.name] = place(key)
            warnIfInlineIsReadable(key)
            do throws(Complaint) {
                guard let found = try find(key) else {
                    if isFileRead, key.isRequired(settings) {
                        miss(key, finding(key.name, "is missing: \(key.help)", fix: key.waysToGive))
                    }
                    continue
                }
                if requireSecrets { check(found, for: key) }
                key.store(found.secrets.map(\.text), &settings)
            } catch {
                miss(key, finding(chosen(key)?.key ?? key.name, error.problem, fix: error.fix ?? key.waysToGive))
            }
        }
    }

    /// A secret that need not be there is an error only for whoever needs it after all.
    private mutating func miss(_ key: SecretKey, _ finding: Finding) {
        if requireSecrets { findings.append(finding) } else { settings.missingSecrets[key.name] = finding }
    }

    private mutating func checkGivenOnce(_ key: SecretKey, in layer: [String: GivenValue]) {
        let given = key.names.compactMap { layer[$0] }
        guard given.count > 1, let last = given.max(by: { ($0.line ?? 0) < ($1.line ?? 0) }) else { return }
        let others = given.map(\.key).filter { $0 != last.key }.joined(separator: " and ")
        report(
            Complaint(problem: "is given together with \(others)", fix: "keep only one of them"), last, expected: "")
    }

    /// The key of the secret that counts; a credential has none.
    private func chosen(_ key: SecretKey) -> GivenValue? {
        key.names.lazy.compactMap { fromEnvironment[$0] }.first ?? key.names.lazy.compactMap { fromFile[$0] }.first
    }

    /// The file that the secret is to be read from: the one named, or the credential.
    private func secretPath(_ key: SecretKey) -> String? {
        guard let given = chosen(key) else {
            if let directory = environment["CREDENTIALS_DIRECTORY"], !directory.isEmpty {
                return "\(directory)/\(key.credential)"
            }
            // Where its unit's `LoadCredential=` finds it: root, who checks the installed service by hand, uses what the service uses.
            return settings.unit == nil ? nil : settings.credentialStore + key.credential
        }
        guard given.key == key.fileName, case .scalar(let path) = given.value else { return nil }
        return path
    }

    private func place(_ key: SecretKey) -> SecretPlace {
        guard let path = secretPath(key) else { return chosen(key).map { .inline($0.source) } ?? .nowhere }
        return chosen(key) == nil ? .credential(path) : .file(path)
    }

    private mutating func find(_ key: SecretKey) throws(Complaint) -> Found? {
        let given = chosen(key)
        if let given, given.key != key.fileName {
            switch given.value {
            case .scalar(let text): return Found(secrets: [(SecretText(text), given.line)], source: given.source)
            case .list(let items):
                return Found(
                    secrets: items.map { (SecretText($0.text), $0.line ?? given.line) }, source: given.source)
            case .nested, .nothing: return nil
            }
        }
        guard let path = secretPath(key) else { return nil }
        let file: TextFile
        do throws(TextFile.Failure) {
            file = try TextFile.read(path, limitBytes: Self.secretFileLimitBytes)
        } catch {
            if error.isMissing, given == nil { return nil }
            let (problem, fix) = error.message(path)
            let source = error.isMissing ? key.source.map { "; \($0)" } ?? "" : ""
            throw Complaint(problem: "\(path) \(problem)", fix: fix + source)
        }
        if file.isReadableByOthers {
            warn(given?.key ?? key.name, "\(path) can be read by others on this machine", fix: file.closing(path))
        }
        let secrets = Self.lines(of: file.text)
        if secrets.isEmpty {
            throw Complaint(problem: "\(path) is empty", fix: "write the secret into it, on one line")
        }
        if secrets.count > 1, key.listName == nil {
            throw Complaint(
                problem: "\(path) has \(secrets.count) lines, but there is one such secret", fix: "leave only its line")
        }
        return Found(secrets: secrets, source: .file(path))
    }

    /// One secret a line; empty lines are passed over.
    private static func lines(of text: String) -> [(text: SecretText, line: Int?)] {
        var secrets: [(SecretText, Int?)] = []
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            guard let text = String(line) else { continue }
            let secret = SecretText(text)
            if secret.reveal.utf8.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
            secrets.append((secret, index + 1))
        }
        return secrets
    }

    private mutating func check(_ found: Found, for key: SecretKey) {
        let name = chosen(key)?.key ?? key.name
        for (text, line) in found.secrets {
            do throws(Complaint) {
                for warning in try key.check(text) {
                    warn(name, warning, fix: "replace the secret, unless it is meant to be so")
                }
            } catch {
                findings.append(
                    Finding(
                        key: name, source: found.source, line: line, problem: error.problem,
                        fix: error.fix ?? key.waysToGive))
            }
        }
    }

    private mutating func warnIfInlineIsReadable(_ key: SecretKey) {
        guard let closing = fileClosing else { return }
        for name in key.names where name != key.fileName {
            guard let given = fromFile[name] else { continue }
            settings.warnings.append(
                Finding(
                    key: name, source: given.source, line: given.line,
                    problem: "is a secret in a file that others on this machine can read",
                    fix: "\(closing), or put the secret into a file of its own and name that as \(key.fileName)")
            )
        }
    }

    mutating func warn(_ key: String, _ problem: String, fix: String) {
        settings.warnings.append(finding(key, problem, fix: fix))
    }
}
