-- Case 130: commands out of order, aborts at each stage, macros that are missing, 1000 messages per connection: nothing of one
-- message is left for the next.
-- conf: user_agent = "repair";
dofile("session.lua")

case("130: a thousand messages on one connection", function()
	local s = session{ login = BOB }
	for i = 1, 250 do
		passes(s:message{ sender = "<" .. BOB .. ">", fields = { { "From", BOB } } }, i)
		refused(s:message{ sender = "<" .. BOB .. ">", fields = { { "From", ALICE } } }, "eom", "550", "5.7.1", i)
		refused(s:message{ sender = "<" .. BOB .. ">", without = { "From" } }, "eom", "550", "5.7.1", i)
		refused(s:message{ sender = "<" .. ALICE .. ">" }, "rcpt", nil, nil, i)
	end
	s:finish()
end)

case("130: abort after MAIL, RCPT, fields, body", function()
	local s = session{ login = ALICE }
	for i = 1, 4 do
		s:mail("<team@home.example>")
		if i > 1 then
			s:rcpt("<you@postfix.example>")
		end
		if i > 2 then
			mt.header(s.conn, "From", "team@home.example")
			mt.header(s.conn, "X-Mailer", "1")
		end
		mt.abort(s.conn)
		refused(s:message{ without = { "From" } }, "eom", "550", "5.7.1", "without From, after abort " .. i)
		unchanged(passes(s:message{}))
	end
	s:finish()
end)

case("130: what one login may is not what the next one may", function()
	local s = session{ login = BOB }
	passes(s:message{ sender = "<" .. BOB .. ">", fields = { { "From", BOB } } })
	s.login = ALICE
	refused(s:message{ sender = "<" .. BOB .. ">" }, "rcpt")
	passes(s:message{})
	s.login = nil
	refused(s:message{}, "rcpt")
	s:finish()
end)

case("130: without any macro the client is a stranger, and every recipient is outside", function()
	local s = session{}
	mt.mailfrom(s.conn, "<" .. ALICE .. ">")
	mt.rcptto(s.conn, "<you@postfix.example>")
	refused({ stage = "rcpt", code = mt.getreply(s.conn), conn = s.conn }, "rcpt")
	s:finish()
end)

case("130: MAIL twice: the second counts", function()
	local s = session{ login = ALICE }
	s:mail("<" .. BOB .. ">")
	passes(s:message{})
	s:mail("<" .. ALICE .. ">")
	refused(s:message{ sender = "<" .. BOB .. ">" }, "rcpt")
	s:finish()
end)

case("130: connections that end without a word", function()
	for i = 1, 20 do
		local s = session{ login = ALICE }
		if i % 2 == 0 then
			s:mail("<" .. ALICE .. ">")
		end
		if i % 4 == 0 then
			s:rcpt("<you@postfix.example>")
			mt.header(s.conn, "From", ALICE)
		end
		mt.disconnect(s.conn, false)
	end
	passes(message{})
end)

case("130: ten sessions side by side", function()
	local all = {}
	for i = 1, 10 do
		all[i] = session{ login = i % 2 == 0 and ALICE or BOB }
		all[i]:mail("<" .. all[i].login .. ">")
	end
	for i = 1, 10 do
		all[i]:rcpt("<you@postfix.example>")
	end
	for i = 1, 10 do
		local r = { stage = "eom", code = all[i]:content{ fields = { { "From", ALICE } } }, conn = all[i].conn }
		if i % 2 == 0 then
			passes(r)
		else
			refused(r, "eom", "550", "5.7.1")
		end
		all[i]:finish()
	end
end)

finish()
