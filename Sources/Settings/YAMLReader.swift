internal import Yams

/// Reads the file's YAML into known keys with their values and lines; all that is wrong with its shape is a finding.
struct YAMLReader {
    let path: String
    private(set) var values: [GivenValue] = []
    private(set) var findings: [Finding] = []
    /// Whether the text is YAML at all, so that `values` are all there are.
    private(set) var isRead = true

    init(_ text: String, path: String) {
        self.path = path
        do {
            // What a scalar means is the key's own to say. Yams's default rules would also load ICU, for its regular expressions.
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            let root = try parser.singleRoot()
            // Nodes refer to their anchors weakly; the parser is what keeps them.
            withExtendedLifetime(parser) { read(root: root) }
        } catch {
            findings = [syntaxFinding(error, text: text)]
            isRead = false
        }
    }

    private mutating func read(root: Node?) {
        switch root {
        case nil: return
        case .mapping(let mapping): read(mapping, in: "")
        case .scalar(let scalar) where scalar.isNothing: return
        case .scalar, .sequence, .alias:
            report("", line: root?.mark?.line, "is not a list of keys and values", "see config/sparekey.yaml")
        }
    }

    private mutating func read(_ mapping: Node.Mapping, in section: String) {
        for (keyNode, value) in mapping {
            let line = keyNode.mark?.line
            guard let scalar = keyNode.scalar else {
                report(section, line: line, "has a key that is not a name", "write name: value")
                continue
            }
            let name = section.isEmpty ? scalar.string : "\(section).\(scalar.string)"
            if scalar.string == "<<" {
                report(name, line: line, "is a merge key, which is not supported", "write the keys themselves")
            } else if scalar.string.utf8.contains(UInt8(ascii: ".")) {
                reportDots(in: name, line: line)
            } else if hasAnchor(keyNode, value) {
                report(
                    name, line: line, "uses an anchor (&) or alias (*), which are not supported",
                    "write the value itself wherever it is needed")
            } else if Schema.keys[name] != nil {
                values.append(GivenValue(key: name, value: written(value), source: .file(path), line: line))
            } else if Schema.sections.contains(name) {
                read(section: name, value, line: line)
            } else {
                findings.append(Schema.unknown(name, source: .file(path), line: line))
            }
        }
    }

    private mutating func read(section name: String, _ value: Node, line: Int?) {
        switch value {
        case .mapping(let mapping): read(mapping, in: name)
        // All its keys may be commented out.
        case .scalar(let scalar) where scalar.isNothing: return
        case .scalar, .sequence, .alias:
            report(
                name, line: line, "is a section, not a value",
                "write its keys on lines of their own below it: " + Schema.names(in: name).joined(separator: ", "))
        }
    }

    private func written(_ node: Node) -> WrittenValue {
        switch node {
        case .scalar(let scalar): return scalar.isNothing ? .nothing : .scalar(scalar.string)
        case .mapping, .alias: return .nested
        case .sequence(let sequence):
            var items: [WrittenValue.Item] = []
            for item in sequence {
                guard let scalar = item.scalar else { return .nested }
                items.append(.init(text: scalar.isNothing ? "" : scalar.string, line: item.mark?.line))
            }
            return .list(items)
        }
    }

    /// An alias's node is its anchor's, so whoever refuses anchors has refused aliases, and needs not follow them.
    private func hasAnchor(_ key: Node, _ value: Node) -> Bool {
        key.anchor != nil || value.anchor != nil || value.sequence?.contains { $0.anchor != nil } == true
    }

    private mutating func reportDots(in name: String, line: Int?) {
        guard Schema.keys[name] != nil, let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else {
            findings.append(Schema.unknown(name, source: .file(path), line: line))
            return
        }
        let section = name[..<dot]
        let leaf = name[name.utf8.index(after: dot)...]
        report(name, line: line, "is written with dots", "write `\(leaf):` below `\(section):`, indented")
    }

    private mutating func report(_ key: String, line: Int?, _ problem: String, _ fix: String) {
        findings.append(
            Finding(key: key.shownName, source: .file(path), line: line, problem: problem, fix: fix))
    }
}

extension YAMLReader {
    /// Yams's own messages quote the line, which may hold a secret: only their problem is kept, which does not.
    private func syntaxFinding(_ error: any Error, text: String) -> Finding {
        let general = "mend the YAML there: two spaces for each level, a space after each colon"
        func finding(_ line: Int?, _ problem: String, _ fix: String) -> Finding {
            Finding(key: "", source: .file(path), line: line, problem: problem, fix: fix)
        }
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
            let said = [context?.text, problem].compactMap(\.self).joined(separator: ": ")
            if Self.startsWithTab(text, line: mark.line) {
                return finding(mark.line, "\(said) (a tab)", "indent with spaces, not with tabs")
            }
            return finding(mark.line, said, general)
        case .composer(let context, let problem, let mark, _):
            let said = [context?.text, problem].compactMap(\.self).joined(separator: ", ")
            return finding(mark.line, said, general)
        case .reader(let problem, let offset, _, _):
            let line = offset.map { text.prefix($0).count { $0.isNewline } + 1 }
            return finding(line, problem, "remove what is not text")
        case .duplicatedKeysInMapping(let names, let context):
            return duplicateFinding(names, firstLine: context.mark.line, text: text)
        default:
            return finding(nil, "is not readable as YAML", general)
        }
    }

    private static func startsWithTab(_ text: String, line: Int) -> Bool {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard lines.indices.contains(line - 1) else { return false }
        return lines[line - 1].prefix { $0 == " " || $0 == "\t" }.contains("\t")
    }

    /// Yams tells the first of the lines and the last part of the name; the rest is read off the text's indentation.
    private func duplicateFinding(_ names: [String], firstLine: Int, text: String) -> Finding {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .map(OutlineLine.init)
        let name = names.first ?? ""
        guard lines.indices.contains(firstLine - 1), lines[firstLine - 1].name == name else {
            return Finding(
                key: name.shownName, source: .file(path), line: firstLine, problem: "is given twice", fix: "keep one")
        }
        let first = lines[firstLine - 1]
        var parts = [name]
        var indent = first.indent
        for line in lines[..<(firstLine - 1)].reversed() {
            guard let parent = line.name, line.indent < indent else { continue }
            parts.insert(parent, at: 0)
            indent = line.indent
        }
        let second = lines.indices.first {
            $0 >= firstLine && lines[$0].name == name && lines[$0].indent == first.indent
        }
        let key = parts.joined(separator: ".").shownName
        guard let second else {
            return Finding(key: key, source: .file(path), line: firstLine, problem: "is given twice", fix: "keep one")
        }
        return Finding(
            key: key, source: .file(path), line: second + 1, problem: "is given already on line \(firstLine)",
            fix: "keep one of the two")
    }
}

/// A line of block-style YAML: how far it is indented, and the name before its colon.
private struct OutlineLine {
    let indent: Int
    let name: String?

    init(_ line: Substring) {
        let content = line.drop { $0 == " " }
        indent = line.count - content.count
        let name = content.prefix { $0 != ":" }
        let isName = name.endIndex != content.endIndex && !name.isEmpty && name.first != "#" && name.first != "-"
        self.name = isName ? String(name) : nil
    }
}

extension Node.Scalar {
    /// YAML 1.1's null.
    fileprivate var isNothing: Bool {
        style == .plain && ["", "~", "null", "Null", "NULL"].contains(string)
    }
}
