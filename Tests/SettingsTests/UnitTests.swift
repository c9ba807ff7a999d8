import Settings
import Testing

@Suite struct UnitTests {
    @Test(
        arguments: [
            ("/etc/sparekey/sparekey.yaml", "sparekey", "/etc/credstore/sparekey."),
            ("/etc/sparekey/two.yaml", "sparekey@two", "/etc/credstore/sparekey.two."),
            ("/etc/sparekey/north.wing.yaml", "sparekey@north.wing", "/etc/credstore/sparekey.north.wing."),
            ("/etc/sparekey/./sparekey.yaml", "sparekey", "/etc/credstore/sparekey."),
            ("/etc/sparekey/more/../two.yaml", "sparekey@two", "/etc/credstore/sparekey.two."),
            ("two.yaml", nil, "/etc/credstore/sparekey."),
            ("/etc/sparekey/.yaml", nil, "/etc/credstore/sparekey."),
            ("/etc/sparekey/more/two.yaml", nil, "/etc/credstore/sparekey."),
            ("/etc/sparekey/two.yml", nil, "/etc/credstore/sparekey."),
            ("/srv/two.yaml", nil, "/etc/credstore/sparekey."), (nil, nil, "/etc/credstore/sparekey."),
        ] as [(String?, String?, String)])
    func aConfigurationsUnitAndItsCredentials(file: String?, unit: String?, store: String) {
        var settings = Settings()
        settings.file = file
        #expect(settings.unit == unit)
        #expect(settings.credentialStore == store)
    }

    @Test func aUnitsFileAndItsFolder() {
        var settings = Settings()
        #expect(settings.unitFile == nil && settings.stateFolder == nil)
        settings.file = "/etc/sparekey/sparekey.yaml"
        #expect(settings.unitFile == "sparekey.service" && settings.stateFolder == "/var/lib/sparekey")
        settings.file = "/etc/sparekey/two.yaml"
        #expect(settings.unitFile == "sparekey@.service" && settings.stateFolder == "/var/lib/sparekey/two")
    }
}
