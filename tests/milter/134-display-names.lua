-- Case 134: what counts is the address; a name that shows another one is refused where that is wanted.
-- conf: display_name = "reject";
dofile("session.lua")

local function from(name)
	return message{ fields = { { "From", name .. " <" .. ALICE .. ">" } } }
end

case("134: names that show another address", function()
	for _, name in ipairs{ "\"ceo@bank.example\"", "=?utf-8?q?ceo=40bank.example?=", "=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?=",
		"=?utf-8?q?ceo?= =?utf-8?q?=40bank.example?=", "=?utf-8?q?ceo=EF=BC=A0bank.example?=", "=?utf-8?q?ceo=E2=80=8B=40bank.example?=",
		"=?utf-8?q?=E2=80=AEelpmaxe.knab=40oec?=", "\"<ceo@bank.example>\"", "\"ceo@bank.example (via us)\"" } do
		refused(from(name), "eom", "550", "5.7.1", name)
	end
end)

case("134: words that cannot be decoded", function()
	for _, name in ipairs{ "=?nonsense?q?ceo=40bank.example?=", "=?utf-8?q?=FF=FE?=", "=?utf-8?b?!!!?=" } do
		refused(from(name), "eom", "550", "5.7.1", name)
	end
end)

case("134: ordinary names", function()
	for _, name in ipairs{ "Alice", "\"Alice, Ltd.\"", "=?utf-8?q?Al=C3=ADce?=", "\"alice@home.example\"", "Alice at home", "=?iso-8859-1?q?Al=EDce?=" } do
		passes(from(name), name)
	end
end)

case("134: the address decides, whatever the name", function()
	refused(message{ fields = { { "From", "\"" .. ALICE .. "\" <" .. BOB .. ">" } } }, "eom", "550", "5.7.1")
end)

finish()
