/// One thing that is wrong, or in a warning unwise, in the configuration. It never holds a secret.
package struct Finding: Sendable, Equatable {
    /// Where a value was given.
    package enum Source: Sendable, Equatable {
        /// The configuration file, a secret's file or a credential, by its path.
        case file(String)
        /// An environment variable, by its name.
        case environment(String)
        /// Nowhere: there is no file, and the variable is not set.
        case nowhere
    }

    /// The key as the documentation writes it, `seam.base_url`; empty where the finding is about a whole file.
    package let key: String
    package let source: Source
    /// Counted from 1; nil outside files, and for what a file lacks.
    package let line: Int?
    /// What is wrong, without a full stop.
    package let problem: String
    /// What to do, without a full stop.
    package let fix: String

    package init(key: String, source: Source, line: Int?, problem: String, fix: String) {
        self.key = key
        self.source = source
        self.line = line
        self.problem = problem
        self.fix = fix
    }
}

extension Finding: CustomStringConvertible {
    /// One line: `/etc/sparekey/sparekey.yaml:12: seam.timeout: … Fix: …`.
    package var description: String {
        var parts: [String] = []
        switch source {
        case .file(let path): parts.append(line.map { "\(path):\($0)" } ?? path)
        case .environment(let name): parts.append(name)
        case .nowhere: parts.append("configuration")
        }
        if !key.isEmpty { parts.append(key) }
        parts.append("\(problem). Fix: \(fix).")
        return parts.joined(separator: ": ").withoutControlCharacters
    }
}

/// Everything that is wrong with a configuration, so that it can be mended in one go.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// At least one; those of the file first, by line.
    package let findings: [Finding]

    /// One finding a line.
    package var description: String {
        findings.map(\.description).joined(separator: "\n")
    }
}

extension String {
    /// A path or name may hold anything; a terminal and a log shall see one line of text.
    var withoutControlCharacters: String {
        var result = ""
        result.unicodeScalars.append(
            contentsOf: unicodeScalars.lazy.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 })
        return result
    }
}
