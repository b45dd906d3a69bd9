-- Case 132: exactly one From, at most one Sender; an empty one is none.
dofile("session.lua")

local function with(fields, without)
	return message{ fields = fields, without = without }
end

case("132: no From", function() refused(with({}, { "From" }), "eom", "550", "5.7.1") end)
case("132: two From", function()
	refused(with{ { "From", ALICE }, { "From", ALICE } }, "eom", "550", "5.7.1")
	refused(with{ { "From", ALICE }, { "FROM", "team@home.example" } }, "eom", "550", "5.7.1")
end)
case("132: empty From", function()
	for _, value in ipairs{ "", " ", "\t", "()", "<>", "\"\"", "\n " } do
		refused(with{ { "From", value } }, "eom", "550", "5.7.1", value)
	end
end)
case("132: two Sender", function() refused(with{ { "Sender", ALICE }, { "Sender", ALICE } }, "eom", "550", "5.7.1") end)
case("132: empty Sender", function() refused(with{ { "Sender", "" } }, "eom", "550", "5.7.1") end)
case("132: one of each", function() unchanged(passes(with{ { "Sender", "team@home.example" } })) end)

finish()
