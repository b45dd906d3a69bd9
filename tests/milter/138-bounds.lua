-- Case 138: 10,000 fields: refused, and nothing of them is kept. (miltertest has no room for large fields: see 138-large-fields.py.)
dofile("session.lua")

case("138: 10,000 fields", function()
	local fields = {}
	for i = 1, 10000 do
		fields[i] = { "X-" .. i, "value" }
	end
	refused(message{ fields = fields }, "eom", "552", "5.6.0")
end)
case("138: more than half a megabyte in many fields", function()
	local fields = {}
	for i = 1, 700 do
		fields[i] = { "X-" .. i, string.rep("y", 900) }
	end
	refused(message{ fields = fields }, "eom", "552", "5.6.0")
end)
case("138: From beyond the bound does not count as missing or theirs", function()
	local fields = {}
	for i = 1, 1500 do
		fields[i] = { "X-" .. i, "value" }
	end
	fields[#fields + 1] = { "From", BOB }
	refused(message{ fields = fields }, "eom", "552", "5.6.0")
end)
case("138: the next message is as if nothing had been", function() unchanged(passes(message{})) end)

finish()
