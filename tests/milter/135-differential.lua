-- Case 135: what mail programs read in different ways is refused.
dofile("session.lua")

case("135: names of fields that are nearly From", function()
	for _, name in ipairs{ "From ", "From\t", " From", "\rFrom", "From\r", "Fr om", "From:" } do
		refused(message{ fields = { { "From", ALICE }, { name, BOB } } }, "eom", "550", "5.6.0", "\"" .. name:gsub("%c", "?") .. "\"")
	end
end)

case("135: values that are read in two ways", function()
	for _, value in ipairs{ ALICE .. " <" .. BOB .. ">", "<" .. ALICE .. ">," .. BOB, "<" .. ALICE .. "," .. BOB .. ">",
		"<" .. ALICE .. ">\n <" .. BOB .. ">", BOB .. " (" .. ALICE .. ")", "<" .. ALICE .. "(" .. BOB .. ")>", "<" .. ALICE .. " " .. BOB .. ">",
		"alice@home.example\\@bank.example", "\"alice@home.example\"@bank.example", "alice@home.example@bank.example",
		"alice@home.example.", "alice@home .example", "alice@[192.0.2.1]", "<alice@home.example\127>", "alice%bank.example@home.example",
		"bank.example!alice@home.example", "=?utf-8?q?" .. ALICE .. "?=", "<=?utf-8?q?alice=40home.example?=>" } do
		refused(message{ fields = { { "From", value } } }, "eom", "550", "5.7.1", value)
	end
end)

finish()
