import Foundation
import Testing
import Words

@testable import Settings

struct MessagesTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("config/messages").path

    /// What is compiled in is what the files say.
    @Test func theFilesAreTheTextsThatComeWithTheProgram() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
        #expect(Set(files) == Set(MessageTexts.builtIn.keys.map { $0 + ".yaml" }))
        for (language, texts) in MessageTexts.builtIn {
            // An ending of its own, so that the program's own text cannot stand in.
            let scratch = try Scratch()
            let text = try String(contentsOfFile: Self.folder + "/\(language).yaml", encoding: .utf8)
            _ = try scratch.write("\(language)-test.yaml", text)
            let settings = try scratch.load(
                "delivery: {language: \(language)-test, messages_folder: \(scratch.directory.path)}")
            #expect(settings.delivery.texts == texts, "\(language)")
        }
    }

    @Test func aLanguageIsChosen() throws {
        #expect(try Scratch().load("{}").delivery.texts == MessageTexts.builtIn["en"])
        #expect(try Scratch().load("delivery: {language: de}").delivery.texts == MessageTexts.builtIn["de"])
        // A folder need not have every language.
        let scratch = try Scratch()
        let settings = try scratch.load("delivery: {language: de, messages_folder: \(scratch.directory.path)}")
        #expect(settings.delivery.texts == MessageTexts.builtIn["de"])
        #expect(settings.warnings.map(\.key) == ["delivery.messages_folder"])
        _ = try scratch.write("de.yaml", try String(contentsOfFile: Self.folder + "/de.yaml", encoding: .utf8))
        #expect(
            try scratch.load("delivery: {language: de, messages_folder: \(scratch.directory.path)}").warnings.isEmpty)
    }

    @Test func aLanguageWithoutTextsIsFound() throws {
        #expect(
            try Scratch().findings("delivery:\n  language: tlh") == [
                "2: delivery.language: there are no texts in `tlh`. Fix: write one of de, en, es, fr, it, ja, pt, or put tlh.yaml into delivery.messages_folder."
            ])
        #expect(try Scratch().findings("delivery:\n  language: ../etc").first?.contains("is not a language") == true)
    }

    @Test func aBadTemplateIsFound() throws {
        #expect(
            try Scratch().findings("delivery:\n  message: Use {code}")
                == [
                    "2: delivery.message: `{code}` is no value that it could have. Fix: write one of {name}, {pin}, {starts}, {ends}, {device}."
                ])
        #expect(
            try Scratch().load("delivery: {message: 'Use {pin}', language: de}").delivery.texts.created
                == MessageTemplate("Use {pin}"))
    }

    @Test func whatIsWrongWithAFileIsFoundWithItsLine() throws {
        let scratch = try Scratch()
        func findings(_ text: String) throws -> [String] {
            let path = try scratch.write("xx.yaml", text)
            return try scratch.findings("delivery: {language: xx, messages_folder: \(scratch.directory.path)}")
                .map { $0.replacingOccurrences(of: path, with: "xx.yaml") }
        }
        let rest = "time: '{day} {hour} {minute}'\nupdated: '{pin}'\nrevoked: Gone\nrecovered: Well\n"
        #expect(
            try findings(rest + "created: '{pin} {door}'\n").first?.hasPrefix("xx.yaml:5: created: `{door}`") == true)
        #expect(try findings(rest) == ["xx.yaml: created: is missing. Fix: see config/messages/en.yaml."])
        #expect(
            try findings(rest + "created: '{pin}'\nmonths: [May]\n")
                == ["xx.yaml:6: months: there are 1. Fix: give the names of all twelve, or none."])
        #expect(try findings(rest + "created: '{pin}'\nmonthes: []\n").first?.contains("Fix: write months") == true)
        #expect(try findings("- a\n").first?.contains("is not a list of keys") == true)
        #expect(try findings("created: [\n").first?.contains("is not YAML") == true)
        #expect(try findings(rest + "created: '{pin}'\n").isEmpty)
    }
}
