internal import Words
internal import Yams

extension Loader {
    /// A file of this size is no handful of sentences.
    private static let messagesLimitBytes = 64 * 1024

    /// The texts for guests: those of the language's file, else those that come with the program.
    mutating func readMessages() {
        guard !refused.contains("delivery.language"), !refused.contains("delivery.messages_folder") else { return }
        let (language, folder) = (settings.delivery.language, settings.delivery.messagesFolder)
        if let folder, let texts = readTexts(folder + "/" + language + ".yaml") {
            settings.delivery.texts = texts
        } else if let texts = MessageTexts.builtIn[language] {
            settings.delivery.texts = texts
            if folder != nil {
                warn(
                    "delivery.messages_folder",
                    "has no \(language).yaml, so guests get the words that come with Sparekey",
                    fix: "put \(language).yaml into it, or leave delivery.messages_folder out")
            }
        } else {
            let known = MessageTexts.builtIn.keys.sorted().joined(separator: ", ")
            report(
                "delivery.language", "there are no texts in \(language.shown)",
                fix: "write one of \(known), or put \(language).yaml into delivery.messages_folder")
        }
        if let message = settings.delivery.message, !refused.contains("delivery.message") {
            settings.delivery.texts.created = MessageTemplate(message)
        }
    }

    /// Nil where there is no such file, for a folder need not have every language; a file that is there must be sound.
    private mutating func readTexts(_ path: String) -> MessageTexts? {
        let source = Finding.Source.file(path)
        func finding(_ key: String, _ line: Int?, _ problem: String, _ fix: String) -> Finding {
            Finding(key: key, source: source, line: line, problem: problem, fix: fix)
        }
        do {
            let file = try TextFile.read(path, limitBytes: Self.messagesLimitBytes)
            let parser = try Parser(yaml: file.text, encoding: .utf8)
            let root = try parser.singleRoot()
            return withExtendedLifetime(parser) {
                guard let mapping = root?.mapping else {
                    findings.append(finding("", 1, "is not a list of keys and texts", "see config/messages/en.yaml"))
                    return MessageTexts.english
                }
                return texts(mapping, finding: finding)
            }
        } catch let failure as TextFile.Failure {
            if failure.isMissing { return nil }
            let (problem, fix) = failure.message(path)
            findings.append(finding("", failure.line, problem, fix))
        } catch {
            findings.append(
                finding("", Self.line(of: error), "is not YAML", "quote texts that have `: `, `#` or `[` in them"))
        }
        // What is wrong with the file has been said, and not that the language is missing.
        return MessageTexts.english
    }

    private mutating func texts(
        _ mapping: Node.Mapping, finding: (String, Int?, String, String) -> Finding
    ) -> MessageTexts {
        let needed = ["time", "created", "updated", "revoked", "recovered"]
        var texts: [String: String] = [:]
        var lines: [String: Int] = [:]
        var months: [String] = []
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            lines[key] = value.mark?.line ?? keyNode.mark?.line
            if key == "months", let names = value.sequence?.map(\.scalar?.string), !names.contains(nil) {
                months = names.compactMap(\.self)
            } else if needed.contains(key), let text = value.scalar?.string, !text.isEmpty {
                texts[key] = text
            } else if key == "months" || needed.contains(key) {
                findings.append(finding(key, lines[key], "is not what it should be", "see config/messages/en.yaml"))
            } else {
                let nearest = Suggestion.nearest(to: key, among: needed + ["months"])
                findings.append(
                    finding(
                        key.shownName, keyNode.mark?.line, "is an unknown key",
                        nearest.map { "write \($0)" } ?? "remove it"))
            }
        }
        for key in needed where lines[key] == nil {
            findings.append(finding(key, nil, "is missing", "see config/messages/en.yaml"))
        }
        let result = MessageTexts(
            time: texts["time"] ?? "{day} {hour} {minute}", months: months, created: texts["created"] ?? "{pin}",
            updated: texts["updated"] ?? "{pin}", revoked: texts["revoked"] ?? "", recovered: texts["recovered"] ?? "")
        for (key, problem) in result.problems {
            findings.append(finding(key, lines[key], problem.problem, problem.fix))
        }
        return result
    }

    private static func line(of error: any Error) -> Int? {
        switch error as? YamlError {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
        default: nil
        }
    }
}
