extension Settings {
    /// Reads the configuration: the environment over the file over the defaults; for secrets also their files and
    /// systemd's credentials.
    ///
    /// - Parameters:
    ///   - path: The file; nil for `SPAREKEY_CONFIG`, else `defaultPath` if it exists, else none.
    ///   - environment: The process's variables.
    ///   - requireSecrets: Whether the secrets must be there and sound. Where not, they are read as far
    ///     as they can be: the commands that only read the log may be run by a user who may not see them.
    /// - Throws: All findings at once. Blocks for as long as the files take to read.
    package static func load(
        path: String?, environment: [String: String], requireSecrets: Bool
    ) throws(ConfigurationError) -> Settings {
        try load(
            path: path, environment: environment, requireSecrets: requireSecrets, defaultPath: Self.defaultPath)
    }

    /// Reads the environment alone: a trial run must not pick up the configuration of an installed daemon.
    package static func loadWithoutFile(
        environment: [String: String], requireSecrets: Bool
    ) throws(ConfigurationError) -> Settings {
        var environment = environment
        environment["SPAREKEY_CONFIG"] = nil
        return try load(path: nil, environment: environment, requireSecrets: requireSecrets, defaultPath: nil)
    }

    static func load(
        path: String?, environment: [String: String], requireSecrets: Bool, defaultPath: String?
    ) throws(ConfigurationError) -> Settings {
        var loader = Loader(environment: environment, requireSecrets: requireSecrets)
        loader.readFile(path, defaultPath: defaultPath)
        loader.readEnvironment()
        loader.storeValues()
        loader.deriveDefaults()
        loader.readMessages()
        loader.readSecrets()
        if loader.isFileRead { loader.checkConsistency() }
        return try loader.result()
    }

    /// The names of the keys whose values are others than in `old`, section by section. A secret is named once,
    /// however it is given.
    package func differences(from old: Settings) -> [String] {
        Self.keys.filter { !$0.isEqual(self, old) }.map(\.name)
    }
}

/// One loading of the configuration, step by step.
struct Loader {
    let environment: [String: String]
    let requireSecrets: Bool

    var settings = Settings()
    var findings: [Finding] = []
    var fromFile: [String: GivenValue] = [:]
    var fromEnvironment: [String: GivenValue] = [:]
    /// Keys whose value was refused: what depends on them is not judged.
    var refused: Set<String> = []
    /// Whether what the file does not give can be taken for missing.
    var isFileRead = true
    /// The command that keeps others from the file; nil where they cannot read it.
    var fileClosing: String?

    init(environment: [String: String], requireSecrets: Bool) {
        self.environment = environment
        self.requireSecrets = requireSecrets
    }

    /// A file of this size is no configuration of ours.
    private static let fileLimitBytes = 256 * 1024

    /// - Parameter defaultPath: nil where only a file that is named is read.
    mutating func readFile(_ explicitPath: String?, defaultPath: String?) {
        let variable = explicitPath == nil ? environment["SPAREKEY_CONFIG"] : nil
        guard let path = explicitPath ?? variable ?? defaultPath else { return }
        if path.isEmpty {
            findings.append(
                Finding(
                    key: "", source: variable == nil ? .nowhere : .environment("SPAREKEY_CONFIG"), line: nil,
                    problem: "the configuration file's path is empty", fix: "name the file"))
            isFileRead = false
            return
        }
        do throws(TextFile.Failure) {
            let file = try TextFile.read(path, limitBytes: Self.fileLimitBytes)
            settings.file = path
            fileClosing = file.isReadableByOthers ? file.closing(path) : nil
            let yaml = YAMLReader(file.text, path: path)
            findings += yaml.findings
            isFileRead = yaml.isRead
            for value in yaml.values { fromFile[value.key] = value }
        } catch {
            if error.isMissing, explicitPath == nil, variable == nil { return }
            let (problem, fix) = error.message(path)
            findings.append(Finding(key: "", source: .file(path), line: error.line, problem: problem, fix: fix))
            isFileRead = false
        }
    }

    mutating func readEnvironment() {
        let reader = EnvironmentReader(environment)
        findings += reader.findings
        for value in reader.values { fromEnvironment[value.key] = value }
    }

    /// The file's values first, so that one that the environment overrides is checked all the same.
    mutating func storeValues() {
        for key in Settings.keys {
            for given in [fromFile[key.name], fromEnvironment[key.name]].compactMap(\.self) {
                do throws(Complaint) {
                    try key.store(given.value, &settings)
                } catch {
                    refused.insert(key.name)
                    report(error, given, expected: "write \(key.expected) (\(key.help))")
                }
            }
        }
    }

    /// The two defaults that depend on other keys.
    mutating func deriveDefaults() {
        if given("listen.port") == nil, settings.listen.tls.files != nil { settings.listen.port = 8443 }
        if given("delivery.manual") == nil {
            settings.delivery.manual = settings.delivery.webhook.url == nil && settings.delivery.command == nil
        }
    }

    /// The value that counts.
    func given(_ key: String) -> GivenValue? { fromEnvironment[key] ?? fromFile[key] }

    mutating func report(_ complaint: Complaint, _ given: GivenValue, expected: String) {
        findings.append(
            Finding(
                key: given.key, source: given.source, line: complaint.line ?? given.line, problem: complaint.problem,
                fix: complaint.fix ?? expected))
    }

    /// At the place where the key is given, else in the file as a whole.
    mutating func report(_ key: String, _ problem: String, fix: String) {
        findings.append(finding(key, problem, fix: fix))
    }

    func finding(_ key: String, _ problem: String, fix: String) -> Finding {
        let given = given(key)
        return Finding(
            key: key, source: given?.source ?? settings.file.map(Finding.Source.file) ?? .nowhere, line: given?.line,
            problem: problem, fix: fix)
    }

    func result() throws(ConfigurationError) -> Settings {
        if findings.isEmpty { return settings }
        let file = settings.file.map(Finding.Source.file)
        let lines = findings.filter { $0.source == file && $0.line != nil }
        let others = findings.filter { $0.source != file || $0.line == nil }
        throw ConfigurationError(findings: lines.sorted { ($0.line ?? 0) < ($1.line ?? 0) } + others)
    }
}
