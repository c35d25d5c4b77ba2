--
-- PostgreSQL database dump
--

\restrict 9QomxQGseRQlxA2ZTgCitBaDcL9adUTdrjsPC1iBpygk5GZcBDOlixjYlcdeWtx

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: answers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.answers (
    id bigint NOT NULL,
    player_id integer NOT NULL,
    word_id integer NOT NULL,
    is_right boolean NOT NULL,
    answered_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: answers_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.answers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: answers_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.answers_id_seq OWNED BY public.answers.id;


--
-- Name: categories; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.categories (
    id smallint NOT NULL,
    name text NOT NULL
);


--
-- Name: categories_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.categories ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.categories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: players; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.players (
    id integer NOT NULL,
    name text NOT NULL,
    joined_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: players_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.players_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: players_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.players_id_seq OWNED BY public.players.id;


--
-- Name: words; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.words (
    id integer NOT NULL,
    category_id smallint NOT NULL,
    word text NOT NULL,
    definition text NOT NULL,
    sign text NOT NULL
);


--
-- Name: COLUMN words.sign; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.words.sign IS 'La vidéo du signe en langue des signes française.';


--
-- Name: sign_numbers; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.sign_numbers
    START WITH 1001
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: sign_numbers; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.sign_numbers OWNED BY public.words.sign;


--
-- Name: texts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.texts (
    id integer NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: texts_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.texts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: texts_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.texts_id_seq OWNED BY public.texts.id;


--
-- Name: word_difficulty; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.word_difficulty AS
SELECT
    NULL::integer AS word_id,
    NULL::text AS word,
    NULL::bigint AS asked,
    NULL::numeric AS difficulty;


--
-- Name: VIEW word_difficulty; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.word_difficulty IS 'De 0 (toujours reconnu) à 1 (jamais reconnu) ; 0,5 tant qu''on ne l''a pas demandé.';


--
-- Name: words_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.words_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: words_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.words_id_seq OWNED BY public.words.id;


--
-- Name: answers id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.answers ALTER COLUMN id SET DEFAULT nextval('public.answers_id_seq'::regclass);


--
-- Name: players id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.players ALTER COLUMN id SET DEFAULT nextval('public.players_id_seq'::regclass);


--
-- Name: texts id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.texts ALTER COLUMN id SET DEFAULT nextval('public.texts_id_seq'::regclass);


--
-- Name: words id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words ALTER COLUMN id SET DEFAULT nextval('public.words_id_seq'::regclass);


--
-- Name: words sign; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words ALTER COLUMN sign SET DEFAULT (('lsf-'::text || nextval('public.sign_numbers'::regclass)) || '.webm'::text);


--
-- Data for Name: answers; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.answers (id, player_id, word_id, is_right, answered_at) FROM stdin;
1	15	140	t	2025-10-01 07:30:00+00
2	12	29	t	2025-10-01 08:07:00+00
3	16	32	f	2025-10-01 08:44:00+00
4	11	160	t	2025-10-01 09:21:00+00
5	2	66	f	2025-10-01 09:58:00+00
6	10	2	f	2025-10-01 10:35:00+00
7	2	112	t	2025-10-01 11:12:00+00
8	12	188	t	2025-10-01 11:49:00+00
9	11	140	t	2025-10-01 12:26:00+00
10	5	166	t	2025-10-01 13:03:00+00
11	8	40	f	2025-10-01 13:40:00+00
12	16	169	t	2025-10-01 14:17:00+00
13	6	121	f	2025-10-01 14:54:00+00
14	4	157	f	2025-10-01 15:31:00+00
15	5	72	f	2025-10-01 16:08:00+00
16	9	72	f	2025-10-01 16:45:00+00
17	5	108	f	2025-10-01 17:22:00+00
18	7	161	f	2025-10-01 17:59:00+00
19	4	132	t	2025-10-01 18:36:00+00
20	10	126	t	2025-10-01 19:13:00+00
21	10	14	t	2025-10-01 19:50:00+00
22	12	53	t	2025-10-01 20:27:00+00
23	10	69	t	2025-10-01 21:04:00+00
24	1	162	f	2025-10-01 21:41:00+00
25	5	19	t	2025-10-01 22:18:00+00
26	7	36	f	2025-10-01 22:55:00+00
27	5	159	f	2025-10-01 23:32:00+00
28	7	14	t	2025-10-02 00:09:00+00
29	5	143	t	2025-10-02 00:46:00+00
30	11	17	f	2025-10-02 01:23:00+00
31	5	94	t	2025-10-02 02:00:00+00
32	14	184	f	2025-10-02 02:37:00+00
33	11	43	t	2025-10-02 03:14:00+00
34	8	50	f	2025-10-02 03:51:00+00
35	10	56	t	2025-10-02 04:28:00+00
36	6	164	f	2025-10-02 05:05:00+00
37	14	95	f	2025-10-02 05:42:00+00
38	5	46	t	2025-10-02 06:19:00+00
39	7	163	t	2025-10-02 06:56:00+00
40	11	13	t	2025-10-02 07:33:00+00
41	5	168	f	2025-10-02 08:10:00+00
42	7	138	t	2025-10-02 08:47:00+00
43	15	106	t	2025-10-02 09:24:00+00
44	4	163	f	2025-10-02 10:01:00+00
45	15	83	f	2025-10-02 10:38:00+00
46	12	31	t	2025-10-02 11:15:00+00
47	11	30	f	2025-10-02 11:52:00+00
48	1	5	t	2025-10-02 12:29:00+00
49	10	187	t	2025-10-02 13:06:00+00
50	10	170	f	2025-10-02 13:43:00+00
51	15	2	t	2025-10-02 14:20:00+00
52	7	19	t	2025-10-02 14:57:00+00
53	5	87	t	2025-10-02 15:34:00+00
54	12	133	t	2025-10-02 16:11:00+00
55	11	162	t	2025-10-02 16:48:00+00
56	7	65	t	2025-10-02 17:25:00+00
57	4	31	t	2025-10-02 18:02:00+00
58	6	182	t	2025-10-02 18:39:00+00
59	10	14	t	2025-10-02 19:16:00+00
60	4	165	t	2025-10-02 19:53:00+00
61	11	55	f	2025-10-02 20:30:00+00
62	14	132	t	2025-10-02 21:07:00+00
63	16	102	f	2025-10-02 21:44:00+00
64	6	49	f	2025-10-02 22:21:00+00
65	2	164	f	2025-10-02 22:58:00+00
66	5	183	f	2025-10-02 23:35:00+00
67	4	37	f	2025-10-03 00:12:00+00
68	16	193	t	2025-10-03 00:49:00+00
69	5	122	t	2025-10-03 01:26:00+00
70	6	76	t	2025-10-03 02:03:00+00
71	2	69	t	2025-10-03 02:40:00+00
72	3	136	t	2025-10-03 03:17:00+00
73	8	79	f	2025-10-03 03:54:00+00
74	8	74	t	2025-10-03 04:31:00+00
75	8	114	t	2025-10-03 05:08:00+00
76	6	174	t	2025-10-03 05:45:00+00
77	9	11	t	2025-10-03 06:22:00+00
78	7	11	f	2025-10-03 06:59:00+00
79	2	36	f	2025-10-03 07:36:00+00
80	10	69	t	2025-10-03 08:13:00+00
81	12	83	t	2025-10-03 08:50:00+00
82	16	167	t	2025-10-03 09:27:00+00
83	16	41	t	2025-10-03 10:04:00+00
84	5	23	f	2025-10-03 10:41:00+00
85	4	86	t	2025-10-03 11:18:00+00
86	12	106	t	2025-10-03 11:55:00+00
87	8	117	t	2025-10-03 12:32:00+00
88	1	174	f	2025-10-03 13:09:00+00
89	14	25	t	2025-10-03 13:46:00+00
90	2	176	t	2025-10-03 14:23:00+00
91	13	84	t	2025-10-03 15:00:00+00
92	15	112	t	2025-10-03 15:37:00+00
93	7	132	t	2025-10-03 16:14:00+00
94	9	141	f	2025-10-03 16:51:00+00
95	2	3	t	2025-10-03 17:28:00+00
96	2	191	f	2025-10-03 18:05:00+00
97	3	59	t	2025-10-03 18:42:00+00
98	16	85	f	2025-10-03 19:19:00+00
99	15	90	t	2025-10-03 19:56:00+00
100	13	35	f	2025-10-03 20:33:00+00
101	9	104	t	2025-10-03 21:10:00+00
102	15	106	t	2025-10-03 21:47:00+00
103	7	102	f	2025-10-03 22:24:00+00
104	14	127	t	2025-10-03 23:01:00+00
105	8	134	t	2025-10-03 23:38:00+00
106	8	130	f	2025-10-04 00:15:00+00
107	7	103	f	2025-10-04 00:52:00+00
108	2	175	f	2025-10-04 01:29:00+00
109	2	48	t	2025-10-04 02:06:00+00
110	6	116	t	2025-10-04 02:43:00+00
111	1	108	f	2025-10-04 03:20:00+00
112	4	9	f	2025-10-04 03:57:00+00
113	2	81	t	2025-10-04 04:34:00+00
114	10	150	t	2025-10-04 05:11:00+00
115	10	52	f	2025-10-04 05:48:00+00
116	9	74	t	2025-10-04 06:25:00+00
117	10	27	f	2025-10-04 07:02:00+00
118	11	173	t	2025-10-04 07:39:00+00
119	14	34	f	2025-10-04 08:16:00+00
120	8	79	t	2025-10-04 08:53:00+00
121	11	175	f	2025-10-04 09:30:00+00
122	12	20	f	2025-10-04 10:07:00+00
123	6	90	t	2025-10-04 10:44:00+00
124	12	34	t	2025-10-04 11:21:00+00
125	8	17	t	2025-10-04 11:58:00+00
126	7	108	t	2025-10-04 12:35:00+00
127	5	19	t	2025-10-04 13:12:00+00
128	4	13	t	2025-10-04 13:49:00+00
129	4	3	f	2025-10-04 14:26:00+00
130	4	44	t	2025-10-04 15:03:00+00
131	15	98	f	2025-10-04 15:40:00+00
132	7	111	f	2025-10-04 16:17:00+00
133	16	63	t	2025-10-04 16:54:00+00
134	1	87	t	2025-10-04 17:31:00+00
135	1	95	f	2025-10-04 18:08:00+00
136	4	112	t	2025-10-04 18:45:00+00
137	5	87	t	2025-10-04 19:22:00+00
138	11	155	t	2025-10-04 19:59:00+00
139	9	113	f	2025-10-04 20:36:00+00
140	5	66	t	2025-10-04 21:13:00+00
141	9	102	f	2025-10-04 21:50:00+00
142	2	133	f	2025-10-04 22:27:00+00
143	15	139	t	2025-10-04 23:04:00+00
144	11	177	f	2025-10-04 23:41:00+00
145	14	148	f	2025-10-05 00:18:00+00
146	13	189	f	2025-10-05 00:55:00+00
147	2	127	t	2025-10-05 01:32:00+00
148	3	139	t	2025-10-05 02:09:00+00
149	6	77	f	2025-10-05 02:46:00+00
150	9	173	f	2025-10-05 03:23:00+00
151	5	19	t	2025-10-05 04:00:00+00
152	12	35	f	2025-10-05 04:37:00+00
153	16	167	t	2025-10-05 05:14:00+00
154	16	112	t	2025-10-05 05:51:00+00
155	1	20	f	2025-10-05 06:28:00+00
156	4	120	t	2025-10-05 07:05:00+00
157	2	60	f	2025-10-05 07:42:00+00
158	10	108	t	2025-10-05 08:19:00+00
159	2	1	t	2025-10-05 08:56:00+00
160	16	2	t	2025-10-05 09:33:00+00
161	3	118	t	2025-10-05 10:10:00+00
162	1	35	f	2025-10-05 10:47:00+00
163	13	125	t	2025-10-05 11:24:00+00
164	5	155	t	2025-10-05 12:01:00+00
165	8	22	t	2025-10-05 12:38:00+00
166	7	65	t	2025-10-05 13:15:00+00
167	1	107	t	2025-10-05 13:52:00+00
168	2	103	f	2025-10-05 14:29:00+00
169	6	144	f	2025-10-05 15:06:00+00
170	13	24	t	2025-10-05 15:43:00+00
171	9	27	t	2025-10-05 16:20:00+00
172	4	159	t	2025-10-05 16:57:00+00
173	14	153	t	2025-10-05 17:34:00+00
174	12	155	f	2025-10-05 18:11:00+00
175	10	170	t	2025-10-05 18:48:00+00
176	10	153	f	2025-10-05 19:25:00+00
177	8	9	f	2025-10-05 20:02:00+00
178	16	42	t	2025-10-05 20:39:00+00
179	5	83	f	2025-10-05 21:16:00+00
180	16	46	t	2025-10-05 21:53:00+00
181	10	165	t	2025-10-05 22:30:00+00
182	3	75	t	2025-10-05 23:07:00+00
183	8	43	t	2025-10-05 23:44:00+00
184	11	58	f	2025-10-06 00:21:00+00
185	14	41	t	2025-10-06 00:58:00+00
186	11	126	f	2025-10-06 01:35:00+00
187	7	187	t	2025-10-06 02:12:00+00
188	10	185	f	2025-10-06 02:49:00+00
189	1	42	f	2025-10-06 03:26:00+00
190	11	185	t	2025-10-06 04:03:00+00
191	6	102	f	2025-10-06 04:40:00+00
192	4	161	t	2025-10-06 05:17:00+00
193	15	188	f	2025-10-06 05:54:00+00
194	9	164	f	2025-10-06 06:31:00+00
195	7	32	f	2025-10-06 07:08:00+00
196	6	50	f	2025-10-06 07:45:00+00
197	5	33	t	2025-10-06 08:22:00+00
198	6	109	f	2025-10-06 08:59:00+00
199	6	94	t	2025-10-06 09:36:00+00
200	9	30	t	2025-10-06 10:13:00+00
201	7	125	t	2025-10-06 10:50:00+00
202	9	79	t	2025-10-06 11:27:00+00
203	14	85	t	2025-10-06 12:04:00+00
204	11	76	f	2025-10-06 12:41:00+00
205	11	98	f	2025-10-06 13:18:00+00
206	15	40	f	2025-10-06 13:55:00+00
207	15	41	f	2025-10-06 14:32:00+00
208	10	85	t	2025-10-06 15:09:00+00
209	9	64	f	2025-10-06 15:46:00+00
210	7	28	t	2025-10-06 16:23:00+00
211	4	65	t	2025-10-06 17:00:00+00
212	2	191	f	2025-10-06 17:37:00+00
213	8	160	t	2025-10-06 18:14:00+00
214	9	148	f	2025-10-06 18:51:00+00
215	1	36	t	2025-10-06 19:28:00+00
216	3	169	t	2025-10-06 20:05:00+00
217	1	161	t	2025-10-06 20:42:00+00
218	9	53	f	2025-10-06 21:19:00+00
219	6	160	f	2025-10-06 21:56:00+00
220	5	8	t	2025-10-06 22:33:00+00
221	2	160	t	2025-10-06 23:10:00+00
222	10	151	t	2025-10-06 23:47:00+00
223	2	9	t	2025-10-07 00:24:00+00
224	15	102	t	2025-10-07 01:01:00+00
225	1	59	t	2025-10-07 01:38:00+00
226	9	165	t	2025-10-07 02:15:00+00
227	6	108	f	2025-10-07 02:52:00+00
228	2	182	t	2025-10-07 03:29:00+00
229	6	95	f	2025-10-07 04:06:00+00
230	1	50	f	2025-10-07 04:43:00+00
231	11	65	t	2025-10-07 05:20:00+00
232	15	193	f	2025-10-07 05:57:00+00
233	11	111	t	2025-10-07 06:34:00+00
234	10	147	t	2025-10-07 07:11:00+00
235	4	145	f	2025-10-07 07:48:00+00
236	6	51	t	2025-10-07 08:25:00+00
237	6	192	t	2025-10-07 09:02:00+00
238	12	163	t	2025-10-07 09:39:00+00
239	2	21	t	2025-10-07 10:16:00+00
240	3	155	t	2025-10-07 10:53:00+00
241	9	5	t	2025-10-07 11:30:00+00
242	7	175	t	2025-10-07 12:07:00+00
243	9	193	t	2025-10-07 12:44:00+00
244	9	128	f	2025-10-07 13:21:00+00
245	15	11	t	2025-10-07 13:58:00+00
246	4	105	f	2025-10-07 14:35:00+00
247	7	140	t	2025-10-07 15:12:00+00
248	14	184	f	2025-10-07 15:49:00+00
249	10	139	t	2025-10-07 16:26:00+00
250	12	179	t	2025-10-07 17:03:00+00
251	12	141	t	2025-10-07 17:40:00+00
252	3	155	t	2025-10-07 18:17:00+00
253	15	16	t	2025-10-07 18:54:00+00
254	7	25	f	2025-10-07 19:31:00+00
255	11	151	f	2025-10-07 20:08:00+00
256	15	39	f	2025-10-07 20:45:00+00
257	1	2	t	2025-10-07 21:22:00+00
258	5	176	t	2025-10-07 21:59:00+00
259	9	190	t	2025-10-07 22:36:00+00
260	13	157	t	2025-10-07 23:13:00+00
261	16	150	t	2025-10-07 23:50:00+00
262	10	137	t	2025-10-08 00:27:00+00
263	6	164	t	2025-10-08 01:04:00+00
264	15	159	t	2025-10-08 01:41:00+00
265	12	124	t	2025-10-08 02:18:00+00
266	13	83	f	2025-10-08 02:55:00+00
267	16	141	t	2025-10-08 03:32:00+00
268	4	2	f	2025-10-08 04:09:00+00
269	5	104	t	2025-10-08 04:46:00+00
270	7	28	f	2025-10-08 05:23:00+00
271	1	84	f	2025-10-08 06:00:00+00
272	11	77	f	2025-10-08 06:37:00+00
273	7	173	f	2025-10-08 07:14:00+00
274	15	68	f	2025-10-08 07:51:00+00
275	9	143	t	2025-10-08 08:28:00+00
276	2	156	f	2025-10-08 09:05:00+00
277	2	180	t	2025-10-08 09:42:00+00
278	9	19	t	2025-10-08 10:19:00+00
279	13	166	t	2025-10-08 10:56:00+00
280	15	182	f	2025-10-08 11:33:00+00
281	10	125	t	2025-10-08 12:10:00+00
282	1	156	t	2025-10-08 12:47:00+00
283	16	157	t	2025-10-08 13:24:00+00
284	1	158	t	2025-10-08 14:01:00+00
285	12	90	t	2025-10-08 14:38:00+00
286	15	153	t	2025-10-08 15:15:00+00
287	1	60	f	2025-10-08 15:52:00+00
288	13	145	f	2025-10-08 16:29:00+00
289	2	105	t	2025-10-08 17:06:00+00
290	13	118	f	2025-10-08 17:43:00+00
291	3	9	t	2025-10-08 18:20:00+00
292	2	6	f	2025-10-08 18:57:00+00
293	8	31	t	2025-10-08 19:34:00+00
294	9	57	t	2025-10-08 20:11:00+00
295	11	177	t	2025-10-08 20:48:00+00
296	12	7	t	2025-10-08 21:25:00+00
297	4	97	t	2025-10-08 22:02:00+00
298	6	152	t	2025-10-08 22:39:00+00
299	4	146	t	2025-10-08 23:16:00+00
300	13	183	f	2025-10-08 23:53:00+00
301	7	77	t	2025-10-09 00:30:00+00
302	12	175	f	2025-10-09 01:07:00+00
303	4	110	t	2025-10-09 01:44:00+00
304	9	173	f	2025-10-09 02:21:00+00
305	10	171	t	2025-10-09 02:58:00+00
306	14	27	t	2025-10-09 03:35:00+00
307	9	19	t	2025-10-09 04:12:00+00
308	6	54	t	2025-10-09 04:49:00+00
309	12	24	f	2025-10-09 05:26:00+00
310	9	57	f	2025-10-09 06:03:00+00
311	3	126	t	2025-10-09 06:40:00+00
312	11	133	f	2025-10-09 07:17:00+00
313	2	81	t	2025-10-09 07:54:00+00
314	12	125	t	2025-10-09 08:31:00+00
315	14	162	t	2025-10-09 09:08:00+00
316	13	83	t	2025-10-09 09:45:00+00
317	4	4	t	2025-10-09 10:22:00+00
318	9	96	t	2025-10-09 10:59:00+00
319	13	120	t	2025-10-09 11:36:00+00
320	1	54	t	2025-10-09 12:13:00+00
321	13	78	f	2025-10-09 12:50:00+00
322	8	143	t	2025-10-09 13:27:00+00
323	1	186	t	2025-10-09 14:04:00+00
324	13	155	t	2025-10-09 14:41:00+00
325	15	192	t	2025-10-09 15:18:00+00
326	9	65	t	2025-10-09 15:55:00+00
327	10	181	t	2025-10-09 16:32:00+00
328	2	162	f	2025-10-09 17:09:00+00
329	14	101	t	2025-10-09 17:46:00+00
330	13	191	f	2025-10-09 18:23:00+00
331	2	186	f	2025-10-09 19:00:00+00
332	4	183	t	2025-10-09 19:37:00+00
333	16	158	t	2025-10-09 20:14:00+00
334	5	115	f	2025-10-09 20:51:00+00
335	10	141	t	2025-10-09 21:28:00+00
336	9	121	f	2025-10-09 22:05:00+00
337	6	92	f	2025-10-09 22:42:00+00
338	6	87	t	2025-10-09 23:19:00+00
339	7	148	t	2025-10-09 23:56:00+00
340	14	79	t	2025-10-10 00:33:00+00
341	1	168	f	2025-10-10 01:10:00+00
342	14	102	t	2025-10-10 01:47:00+00
343	14	129	t	2025-10-10 02:24:00+00
344	6	52	t	2025-10-10 03:01:00+00
345	11	183	t	2025-10-10 03:38:00+00
346	8	188	t	2025-10-10 04:15:00+00
347	11	96	t	2025-10-10 04:52:00+00
348	7	112	t	2025-10-10 05:29:00+00
349	12	124	t	2025-10-10 06:06:00+00
350	15	36	t	2025-10-10 06:43:00+00
351	1	61	t	2025-10-10 07:20:00+00
352	1	152	t	2025-10-10 07:57:00+00
353	8	143	t	2025-10-10 08:34:00+00
354	4	76	f	2025-10-10 09:11:00+00
355	6	134	t	2025-10-10 09:48:00+00
356	11	118	f	2025-10-10 10:25:00+00
357	14	128	f	2025-10-10 11:02:00+00
358	5	59	f	2025-10-10 11:39:00+00
359	10	69	f	2025-10-10 12:16:00+00
360	3	119	t	2025-10-10 12:53:00+00
361	16	140	t	2025-10-10 13:30:00+00
362	10	144	f	2025-10-10 14:07:00+00
363	9	191	f	2025-10-10 14:44:00+00
364	3	125	t	2025-10-10 15:21:00+00
365	14	53	t	2025-10-10 15:58:00+00
366	15	73	t	2025-10-10 16:35:00+00
367	12	2	f	2025-10-10 17:12:00+00
368	6	150	t	2025-10-10 17:49:00+00
369	16	58	t	2025-10-10 18:26:00+00
370	14	133	f	2025-10-10 19:03:00+00
371	16	64	t	2025-10-10 19:40:00+00
372	6	101	f	2025-10-10 20:17:00+00
373	3	20	f	2025-10-10 20:54:00+00
374	1	106	t	2025-10-10 21:31:00+00
375	13	98	f	2025-10-10 22:08:00+00
376	10	97	f	2025-10-10 22:45:00+00
377	10	154	t	2025-10-10 23:22:00+00
378	16	187	t	2025-10-10 23:59:00+00
379	6	56	t	2025-10-11 00:36:00+00
380	16	60	t	2025-10-11 01:13:00+00
381	13	79	f	2025-10-11 01:50:00+00
382	7	158	f	2025-10-11 02:27:00+00
383	14	117	t	2025-10-11 03:04:00+00
384	4	138	t	2025-10-11 03:41:00+00
385	16	113	t	2025-10-11 04:18:00+00
386	2	148	t	2025-10-11 04:55:00+00
387	15	13	t	2025-10-11 05:32:00+00
388	14	47	t	2025-10-11 06:09:00+00
389	14	122	f	2025-10-11 06:46:00+00
390	7	128	f	2025-10-11 07:23:00+00
391	1	115	t	2025-10-11 08:00:00+00
392	15	53	t	2025-10-11 08:37:00+00
393	10	30	t	2025-10-11 09:14:00+00
394	14	2	t	2025-10-11 09:51:00+00
395	3	105	f	2025-10-11 10:28:00+00
396	8	147	f	2025-10-11 11:05:00+00
397	5	72	t	2025-10-11 11:42:00+00
398	5	109	f	2025-10-11 12:19:00+00
399	13	27	t	2025-10-11 12:56:00+00
400	15	79	t	2025-10-11 13:33:00+00
401	7	127	t	2025-10-11 14:10:00+00
402	7	164	f	2025-10-11 14:47:00+00
403	5	55	t	2025-10-11 15:24:00+00
404	16	95	t	2025-10-11 16:01:00+00
405	14	62	t	2025-10-11 16:38:00+00
406	9	66	t	2025-10-11 17:15:00+00
407	13	69	f	2025-10-11 17:52:00+00
408	10	48	f	2025-10-11 18:29:00+00
409	10	152	f	2025-10-11 19:06:00+00
410	3	182	t	2025-10-11 19:43:00+00
411	4	24	f	2025-10-11 20:20:00+00
412	4	8	t	2025-10-11 20:57:00+00
413	16	187	f	2025-10-11 21:34:00+00
414	14	6	f	2025-10-11 22:11:00+00
415	4	127	f	2025-10-11 22:48:00+00
416	8	8	t	2025-10-11 23:25:00+00
417	9	42	t	2025-10-12 00:02:00+00
418	12	29	t	2025-10-12 00:39:00+00
419	8	95	f	2025-10-12 01:16:00+00
420	3	129	f	2025-10-12 01:53:00+00
421	13	148	f	2025-10-12 02:30:00+00
422	8	5	t	2025-10-12 03:07:00+00
423	7	10	t	2025-10-12 03:44:00+00
424	13	71	f	2025-10-12 04:21:00+00
425	7	136	t	2025-10-12 04:58:00+00
426	12	130	f	2025-10-12 05:35:00+00
427	16	56	t	2025-10-12 06:12:00+00
428	10	122	t	2025-10-12 06:49:00+00
429	14	125	t	2025-10-12 07:26:00+00
430	1	157	t	2025-10-12 08:03:00+00
431	12	60	t	2025-10-12 08:40:00+00
432	10	169	t	2025-10-12 09:17:00+00
433	14	94	t	2025-10-12 09:54:00+00
434	11	165	t	2025-10-12 10:31:00+00
435	7	57	t	2025-10-12 11:08:00+00
436	6	41	f	2025-10-12 11:45:00+00
437	6	189	t	2025-10-12 12:22:00+00
438	15	156	t	2025-10-12 12:59:00+00
439	3	62	t	2025-10-12 13:36:00+00
440	14	182	t	2025-10-12 14:13:00+00
441	3	65	t	2025-10-12 14:50:00+00
442	15	114	f	2025-10-12 15:27:00+00
443	3	36	f	2025-10-12 16:04:00+00
444	1	39	t	2025-10-12 16:41:00+00
445	11	33	t	2025-10-12 17:18:00+00
446	10	154	t	2025-10-12 17:55:00+00
447	13	49	f	2025-10-12 18:32:00+00
448	13	119	t	2025-10-12 19:09:00+00
449	6	144	f	2025-10-12 19:46:00+00
450	9	37	t	2025-10-12 20:23:00+00
451	12	173	t	2025-10-12 21:00:00+00
452	5	99	t	2025-10-12 21:37:00+00
453	3	10	t	2025-10-12 22:14:00+00
454	1	48	f	2025-10-12 22:51:00+00
455	11	20	f	2025-10-12 23:28:00+00
456	7	118	f	2025-10-13 00:05:00+00
457	9	137	t	2025-10-13 00:42:00+00
458	5	185	t	2025-10-13 01:19:00+00
459	2	15	t	2025-10-13 01:56:00+00
460	14	122	t	2025-10-13 02:33:00+00
461	3	36	t	2025-10-13 03:10:00+00
462	7	141	t	2025-10-13 03:47:00+00
463	7	18	t	2025-10-13 04:24:00+00
464	15	37	t	2025-10-13 05:01:00+00
465	14	155	t	2025-10-13 05:38:00+00
466	11	112	t	2025-10-13 06:15:00+00
467	6	81	t	2025-10-13 06:52:00+00
468	10	29	t	2025-10-13 07:29:00+00
469	10	92	t	2025-10-13 08:06:00+00
470	7	117	t	2025-10-13 08:43:00+00
471	14	104	t	2025-10-13 09:20:00+00
472	5	33	f	2025-10-13 09:57:00+00
473	15	130	t	2025-10-13 10:34:00+00
474	7	32	f	2025-10-13 11:11:00+00
475	7	112	t	2025-10-13 11:48:00+00
476	16	49	t	2025-10-13 12:25:00+00
477	13	186	f	2025-10-13 13:02:00+00
478	12	120	t	2025-10-13 13:39:00+00
479	3	17	t	2025-10-13 14:16:00+00
480	15	95	f	2025-10-13 14:53:00+00
481	14	68	f	2025-10-13 15:30:00+00
482	12	134	f	2025-10-13 16:07:00+00
483	12	135	f	2025-10-13 16:44:00+00
484	12	92	t	2025-10-13 17:21:00+00
485	8	42	t	2025-10-13 17:58:00+00
486	16	155	f	2025-10-13 18:35:00+00
487	16	157	f	2025-10-13 19:12:00+00
488	12	180	f	2025-10-13 19:49:00+00
489	8	41	t	2025-10-13 20:26:00+00
490	12	58	f	2025-10-13 21:03:00+00
491	15	91	t	2025-10-13 21:40:00+00
492	13	15	t	2025-10-13 22:17:00+00
493	4	169	f	2025-10-13 22:54:00+00
494	13	189	t	2025-10-13 23:31:00+00
495	10	22	t	2025-10-14 00:08:00+00
496	9	71	t	2025-10-14 00:45:00+00
497	12	43	t	2025-10-14 01:22:00+00
498	2	33	t	2025-10-14 01:59:00+00
499	15	164	f	2025-10-14 02:36:00+00
500	6	120	t	2025-10-14 03:13:00+00
501	7	58	t	2025-10-14 03:50:00+00
502	11	7	t	2025-10-14 04:27:00+00
503	10	128	f	2025-10-14 05:04:00+00
504	14	152	f	2025-10-14 05:41:00+00
505	4	78	t	2025-10-14 06:18:00+00
506	2	77	f	2025-10-14 06:55:00+00
507	12	128	f	2025-10-14 07:32:00+00
508	13	72	f	2025-10-14 08:09:00+00
509	16	66	t	2025-10-14 08:46:00+00
510	13	151	t	2025-10-14 09:23:00+00
511	13	74	t	2025-10-14 10:00:00+00
512	16	14	t	2025-10-14 10:37:00+00
513	8	139	t	2025-10-14 11:14:00+00
514	1	185	t	2025-10-14 11:51:00+00
515	11	56	t	2025-10-14 12:28:00+00
516	13	173	t	2025-10-14 13:05:00+00
517	7	41	f	2025-10-14 13:42:00+00
518	4	15	t	2025-10-14 14:19:00+00
519	3	87	t	2025-10-14 14:56:00+00
520	11	1	f	2025-10-14 15:33:00+00
521	12	150	t	2025-10-14 16:10:00+00
522	9	2	t	2025-10-14 16:47:00+00
523	15	98	f	2025-10-14 17:24:00+00
524	16	50	f	2025-10-14 18:01:00+00
525	9	118	t	2025-10-14 18:38:00+00
526	14	61	f	2025-10-14 19:15:00+00
527	6	49	t	2025-10-14 19:52:00+00
528	9	4	t	2025-10-14 20:29:00+00
529	7	149	t	2025-10-14 21:06:00+00
530	2	111	f	2025-10-14 21:43:00+00
531	3	117	t	2025-10-14 22:20:00+00
532	14	128	t	2025-10-14 22:57:00+00
533	5	145	t	2025-10-14 23:34:00+00
534	13	73	f	2025-10-15 00:11:00+00
535	3	158	t	2025-10-15 00:48:00+00
536	13	157	f	2025-10-15 01:25:00+00
537	4	35	f	2025-10-15 02:02:00+00
538	3	73	t	2025-10-15 02:39:00+00
539	4	170	t	2025-10-15 03:16:00+00
540	3	57	t	2025-10-15 03:53:00+00
541	6	11	f	2025-10-15 04:30:00+00
542	4	184	t	2025-10-15 05:07:00+00
543	16	47	t	2025-10-15 05:44:00+00
544	2	164	f	2025-10-15 06:21:00+00
545	11	150	f	2025-10-15 06:58:00+00
546	10	78	t	2025-10-15 07:35:00+00
547	15	30	t	2025-10-15 08:12:00+00
548	15	134	t	2025-10-15 08:49:00+00
549	7	54	t	2025-10-15 09:26:00+00
550	15	90	t	2025-10-15 10:03:00+00
551	15	99	t	2025-10-15 10:40:00+00
552	9	181	t	2025-10-15 11:17:00+00
553	10	143	t	2025-10-15 11:54:00+00
554	7	138	t	2025-10-15 12:31:00+00
555	8	89	t	2025-10-15 13:08:00+00
556	11	102	f	2025-10-15 13:45:00+00
557	2	168	f	2025-10-15 14:22:00+00
558	8	165	t	2025-10-15 14:59:00+00
559	7	127	f	2025-10-15 15:36:00+00
560	1	63	t	2025-10-15 16:13:00+00
561	4	105	f	2025-10-15 16:50:00+00
562	13	11	f	2025-10-15 17:27:00+00
563	15	61	f	2025-10-15 18:04:00+00
564	13	6	f	2025-10-15 18:41:00+00
565	11	14	t	2025-10-15 19:18:00+00
566	3	46	t	2025-10-15 19:55:00+00
567	14	125	f	2025-10-15 20:32:00+00
568	14	9	t	2025-10-15 21:09:00+00
569	3	118	t	2025-10-15 21:46:00+00
570	8	35	f	2025-10-15 22:23:00+00
571	5	164	f	2025-10-15 23:00:00+00
572	2	51	f	2025-10-15 23:37:00+00
573	10	103	f	2025-10-16 00:14:00+00
574	4	163	f	2025-10-16 00:51:00+00
575	9	156	f	2025-10-16 01:28:00+00
576	2	189	t	2025-10-16 02:05:00+00
577	12	152	t	2025-10-16 02:42:00+00
578	11	44	f	2025-10-16 03:19:00+00
579	11	93	t	2025-10-16 03:56:00+00
580	7	90	t	2025-10-16 04:33:00+00
581	13	116	t	2025-10-16 05:10:00+00
582	6	159	t	2025-10-16 05:47:00+00
583	1	177	t	2025-10-16 06:24:00+00
584	15	33	t	2025-10-16 07:01:00+00
585	11	61	f	2025-10-16 07:38:00+00
586	6	110	t	2025-10-16 08:15:00+00
587	16	168	f	2025-10-16 08:52:00+00
588	10	16	t	2025-10-16 09:29:00+00
589	5	22	f	2025-10-16 10:06:00+00
590	8	67	f	2025-10-16 10:43:00+00
591	1	56	t	2025-10-16 11:20:00+00
592	3	131	t	2025-10-16 11:57:00+00
593	15	37	t	2025-10-16 12:34:00+00
594	4	122	t	2025-10-16 13:11:00+00
595	9	131	f	2025-10-16 13:48:00+00
596	13	160	t	2025-10-16 14:25:00+00
597	2	83	t	2025-10-16 15:02:00+00
598	5	71	t	2025-10-16 15:39:00+00
599	15	12	t	2025-10-16 16:16:00+00
600	10	78	t	2025-10-16 16:53:00+00
\.


--
-- Data for Name: categories; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.categories (id, name) FROM stdin;
1	animaux
2	école
3	famille
4	nourriture
5	corps
6	temps
7	nature
8	maison
9	émotions
\.


--
-- Data for Name: players; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.players (id, name, joined_at) FROM stdin;
1	Zoé	2025-09-01 08:00:00+00
2	Léa	2025-09-02 08:00:00+00
3	Noël	2025-09-03 08:00:00+00
4	Chloé	2025-09-04 08:00:00+00
5	Inès	2025-09-05 08:00:00+00
6	Théo	2025-09-06 08:00:00+00
7	Anaïs	2025-09-07 08:00:00+00
8	Maël	2025-09-08 08:00:00+00
9	Jérôme	2025-09-09 08:00:00+00
10	Agnès	2025-09-10 08:00:00+00
11	Loïc	2025-09-11 08:00:00+00
12	Aïcha	2025-09-12 08:00:00+00
13	Élise	2025-09-13 08:00:00+00
14	Gaël	2025-09-14 08:00:00+00
15	Françoise	2025-09-15 08:00:00+00
16	D'Artagnan	2025-09-16 08:00:00+00
\.


--
-- Data for Name: texts; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.texts (id, title, body, created_at) FROM stdin;
1	Le loup et l'âne	Un loup a faim. Il voit un âne près de la rivière.\nL'âne lève la tête : « Regarde mon pied, il me fait mal ! »	2025-11-03 09:00:00+00
2	La crêpe de grand-mère	Ce matin, grand-mère prépare des crêpes : du lait, un œuf, du sucre,\tet beaucoup d'amour.	2025-11-03 10:00:00+00
3	À l'école	La récréation est finie. Le maître écrit une phrase au tableau, et chaque élève ouvre son cahier.	2025-11-03 11:00:00+00
4	L'hiver à la montagne	La neige tombe depuis hier. Le renard et l'écureuil cherchent un arbre ; C:\\forêt n'existe pas.	2025-11-03 12:00:00+00
5	Été	Le soleil, la mer, la plage… et un gâteau au chocolat !	2025-11-03 13:00:00+00
\.


--
-- Data for Name: words; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.words (id, category_id, word, definition, sign) FROM stdin;
1	1	chat	Le signe pour « chat », thème : animaux.	lsf-1001.webm
2	1	chien	Le signe pour « chien », thème : animaux.	lsf-1002.webm
3	1	cheval	Le signe pour « cheval », thème : animaux.	lsf-1003.webm
4	1	vache	Le signe pour « vache », thème : animaux.	lsf-1004.webm
5	1	mouton	Le signe pour « mouton », thème : animaux.	lsf-1005.webm
6	1	chèvre	Le signe pour « chèvre », thème : animaux.	lsf-1006.webm
7	1	lapin	Le signe pour « lapin », thème : animaux.	lsf-1007.webm
8	1	poule	Le signe pour « poule », thème : animaux.	lsf-1008.webm
9	1	canard	Le signe pour « canard », thème : animaux.	lsf-1009.webm
10	1	âne	Le signe pour « âne », thème : animaux.	lsf-1010.webm
11	1	éléphant	Le signe pour « éléphant », thème : animaux.	lsf-1011.webm
12	1	lion	Le signe pour « lion », thème : animaux.	lsf-1012.webm
13	1	tigre	Le signe pour « tigre », thème : animaux.	lsf-1013.webm
14	1	singe	Le signe pour « singe », thème : animaux.	lsf-1014.webm
15	1	girafe	Le signe pour « girafe », thème : animaux.	lsf-1015.webm
16	1	zèbre	Le signe pour « zèbre », thème : animaux.	lsf-1016.webm
17	1	loup	Le signe pour « loup », thème : animaux.	lsf-1017.webm
18	1	renard	Le signe pour « renard », thème : animaux.	lsf-1018.webm
19	1	ours	Le signe pour « ours », thème : animaux.	lsf-1019.webm
20	1	écureuil	Le signe pour « écureuil », thème : animaux.	lsf-1020.webm
21	1	hérisson	Le signe pour « hérisson », thème : animaux.	lsf-1021.webm
22	1	souris	Le signe pour « souris », thème : animaux.	lsf-1022.webm
23	1	grenouille	Le signe pour « grenouille », thème : animaux.	lsf-1023.webm
24	1	tortue	Le signe pour « tortue », thème : animaux.	lsf-1024.webm
25	1	serpent	Le signe pour « serpent », thème : animaux.	lsf-1025.webm
26	1	poisson	Le signe pour « poisson », thème : animaux.	lsf-1026.webm
27	1	baleine	Le signe pour « baleine », thème : animaux.	lsf-1027.webm
28	1	dauphin	Le signe pour « dauphin », thème : animaux.	lsf-1028.webm
29	1	oiseau	Le signe pour « oiseau », thème : animaux.	lsf-1029.webm
30	1	aigle	Le signe pour « aigle », thème : animaux.	lsf-1030.webm
31	1	hibou	Le signe pour « hibou », thème : animaux.	lsf-1031.webm
32	1	papillon	Le signe pour « papillon », thème : animaux.	lsf-1032.webm
33	1	abeille	Le signe pour « abeille », thème : animaux.	lsf-1033.webm
34	1	fourmi	Le signe pour « fourmi », thème : animaux.	lsf-1034.webm
35	1	araignée	Le signe pour « araignée », thème : animaux.	lsf-1035.webm
36	2	école	Le signe pour « école », thème : école.	lsf-1036.webm
37	2	maître	Le signe pour « maître », thème : école.	lsf-1037.webm
38	2	élève	Le signe pour « élève », thème : école.	lsf-1038.webm
39	2	cahier	Le signe pour « cahier », thème : école.	lsf-1039.webm
40	2	crayon	Le signe pour « crayon », thème : école.	lsf-1040.webm
41	2	stylo	Le signe pour « stylo », thème : école.	lsf-1041.webm
42	2	gomme	Le signe pour « gomme », thème : école.	lsf-1042.webm
43	2	règle	Le signe pour « règle », thème : école.	lsf-1043.webm
44	2	tableau	Le signe pour « tableau », thème : école.	lsf-1044.webm
45	2	leçon	Le signe pour « leçon », thème : école.	lsf-1045.webm
46	2	devoir	Le signe pour « devoir », thème : école.	lsf-1046.webm
47	2	récréation	Le signe pour « récréation », thème : école.	lsf-1047.webm
48	2	cantine	Le signe pour « cantine », thème : école.	lsf-1048.webm
49	2	livre	Le signe pour « livre », thème : école.	lsf-1049.webm
50	2	page	Le signe pour « page », thème : école.	lsf-1050.webm
51	2	mot	Le signe pour « mot », thème : école.	lsf-1051.webm
52	2	phrase	Le signe pour « phrase », thème : école.	lsf-1052.webm
53	2	lettre	Le signe pour « lettre », thème : école.	lsf-1053.webm
54	2	dictée	Le signe pour « dictée », thème : école.	lsf-1054.webm
55	2	lecture	Le signe pour « lecture », thème : école.	lsf-1055.webm
56	2	calcul	Le signe pour « calcul », thème : école.	lsf-1056.webm
57	2	géométrie	Le signe pour « géométrie », thème : école.	lsf-1057.webm
58	2	dessin	Le signe pour « dessin », thème : école.	lsf-1058.webm
59	2	histoire	Le signe pour « histoire », thème : école.	lsf-1059.webm
60	2	géographie	Le signe pour « géographie », thème : école.	lsf-1060.webm
61	3	père	Le signe pour « père », thème : famille.	lsf-1061.webm
62	3	mère	Le signe pour « mère », thème : famille.	lsf-1062.webm
63	3	frère	Le signe pour « frère », thème : famille.	lsf-1063.webm
64	3	sœur	Le signe pour « sœur », thème : famille.	lsf-1064.webm
65	3	grand-père	Le signe pour « grand-père », thème : famille.	lsf-1065.webm
66	3	grand-mère	Le signe pour « grand-mère », thème : famille.	lsf-1066.webm
67	3	oncle	Le signe pour « oncle », thème : famille.	lsf-1067.webm
68	3	tante	Le signe pour « tante », thème : famille.	lsf-1068.webm
69	3	cousin	Le signe pour « cousin », thème : famille.	lsf-1069.webm
70	3	cousine	Le signe pour « cousine », thème : famille.	lsf-1070.webm
71	3	bébé	Le signe pour « bébé », thème : famille.	lsf-1071.webm
72	3	enfant	Le signe pour « enfant », thème : famille.	lsf-1072.webm
73	3	parents	Le signe pour « parents », thème : famille.	lsf-1073.webm
74	3	mariage	Le signe pour « mariage », thème : famille.	lsf-1074.webm
75	3	fête	Le signe pour « fête », thème : famille.	lsf-1075.webm
76	3	anniversaire	Le signe pour « anniversaire », thème : famille.	lsf-1076.webm
77	4	pain	Le signe pour « pain », thème : nourriture.	lsf-1077.webm
78	4	beurre	Le signe pour « beurre », thème : nourriture.	lsf-1078.webm
79	4	fromage	Le signe pour « fromage », thème : nourriture.	lsf-1079.webm
80	4	lait	Le signe pour « lait », thème : nourriture.	lsf-1080.webm
81	4	œuf	Le signe pour « œuf », thème : nourriture.	lsf-1081.webm
82	4	pomme	Le signe pour « pomme », thème : nourriture.	lsf-1082.webm
83	4	poire	Le signe pour « poire », thème : nourriture.	lsf-1083.webm
84	4	pêche	Le signe pour « pêche », thème : nourriture.	lsf-1084.webm
85	4	cerise	Le signe pour « cerise », thème : nourriture.	lsf-1085.webm
86	4	fraise	Le signe pour « fraise », thème : nourriture.	lsf-1086.webm
87	4	banane	Le signe pour « banane », thème : nourriture.	lsf-1087.webm
88	4	orange	Le signe pour « orange », thème : nourriture.	lsf-1088.webm
89	4	citron	Le signe pour « citron », thème : nourriture.	lsf-1089.webm
90	4	tomate	Le signe pour « tomate », thème : nourriture.	lsf-1090.webm
91	4	carotte	Le signe pour « carotte », thème : nourriture.	lsf-1091.webm
92	4	salade	Le signe pour « salade », thème : nourriture.	lsf-1092.webm
93	4	pâtes	Le signe pour « pâtes », thème : nourriture.	lsf-1093.webm
94	4	riz	Le signe pour « riz », thème : nourriture.	lsf-1094.webm
95	4	viande	Le signe pour « viande », thème : nourriture.	lsf-1095.webm
96	4	poulet	Le signe pour « poulet », thème : nourriture.	lsf-1096.webm
97	4	soupe	Le signe pour « soupe », thème : nourriture.	lsf-1097.webm
98	4	gâteau	Le signe pour « gâteau », thème : nourriture.	lsf-1098.webm
99	4	crêpe	Le signe pour « crêpe », thème : nourriture.	lsf-1099.webm
100	4	chocolat	Le signe pour « chocolat », thème : nourriture.	lsf-1100.webm
101	4	miel	Le signe pour « miel », thème : nourriture.	lsf-1101.webm
102	4	sucre	Le signe pour « sucre », thème : nourriture.	lsf-1102.webm
103	4	sel	Le signe pour « sel », thème : nourriture.	lsf-1103.webm
104	4	thé	Le signe pour « thé », thème : nourriture.	lsf-1104.webm
105	4	café	Le signe pour « café », thème : nourriture.	lsf-1105.webm
106	4	eau	Le signe pour « eau », thème : nourriture.	lsf-1106.webm
107	5	tête	Le signe pour « tête », thème : corps.	lsf-1107.webm
108	5	visage	Le signe pour « visage », thème : corps.	lsf-1108.webm
109	5	œil	Le signe pour « œil », thème : corps.	lsf-1109.webm
110	5	oreille	Le signe pour « oreille », thème : corps.	lsf-1110.webm
111	5	nez	Le signe pour « nez », thème : corps.	lsf-1111.webm
112	5	bouche	Le signe pour « bouche », thème : corps.	lsf-1112.webm
113	5	dent	Le signe pour « dent », thème : corps.	lsf-1113.webm
114	5	langue	Le signe pour « langue », thème : corps.	lsf-1114.webm
115	5	cou	Le signe pour « cou », thème : corps.	lsf-1115.webm
116	5	épaule	Le signe pour « épaule », thème : corps.	lsf-1116.webm
117	5	bras	Le signe pour « bras », thème : corps.	lsf-1117.webm
118	5	coude	Le signe pour « coude », thème : corps.	lsf-1118.webm
119	5	main	Le signe pour « main », thème : corps.	lsf-1119.webm
120	5	doigt	Le signe pour « doigt », thème : corps.	lsf-1120.webm
121	5	ventre	Le signe pour « ventre », thème : corps.	lsf-1121.webm
122	5	dos	Le signe pour « dos », thème : corps.	lsf-1122.webm
123	5	jambe	Le signe pour « jambe », thème : corps.	lsf-1123.webm
124	5	genou	Le signe pour « genou », thème : corps.	lsf-1124.webm
125	5	pied	Le signe pour « pied », thème : corps.	lsf-1125.webm
126	5	cœur	Le signe pour « cœur », thème : corps.	lsf-1126.webm
127	6	jour	Le signe pour « jour », thème : temps.	lsf-1127.webm
128	6	nuit	Le signe pour « nuit », thème : temps.	lsf-1128.webm
129	6	matin	Le signe pour « matin », thème : temps.	lsf-1129.webm
130	6	midi	Le signe pour « midi », thème : temps.	lsf-1130.webm
131	6	soir	Le signe pour « soir », thème : temps.	lsf-1131.webm
132	6	semaine	Le signe pour « semaine », thème : temps.	lsf-1132.webm
133	6	mois	Le signe pour « mois », thème : temps.	lsf-1133.webm
134	6	année	Le signe pour « année », thème : temps.	lsf-1134.webm
135	6	hier	Le signe pour « hier », thème : temps.	lsf-1135.webm
136	6	demain	Le signe pour « demain », thème : temps.	lsf-1136.webm
137	6	printemps	Le signe pour « printemps », thème : temps.	lsf-1137.webm
138	6	été	Le signe pour « été », thème : temps.	lsf-1138.webm
139	6	automne	Le signe pour « automne », thème : temps.	lsf-1139.webm
140	6	hiver	Le signe pour « hiver », thème : temps.	lsf-1140.webm
141	6	lundi	Le signe pour « lundi », thème : temps.	lsf-1141.webm
142	6	mardi	Le signe pour « mardi », thème : temps.	lsf-1142.webm
143	6	mercredi	Le signe pour « mercredi », thème : temps.	lsf-1143.webm
144	6	jeudi	Le signe pour « jeudi », thème : temps.	lsf-1144.webm
145	6	vendredi	Le signe pour « vendredi », thème : temps.	lsf-1145.webm
146	6	samedi	Le signe pour « samedi », thème : temps.	lsf-1146.webm
147	6	dimanche	Le signe pour « dimanche », thème : temps.	lsf-1147.webm
148	7	arbre	Le signe pour « arbre », thème : nature.	lsf-1148.webm
149	7	forêt	Le signe pour « forêt », thème : nature.	lsf-1149.webm
150	7	fleur	Le signe pour « fleur », thème : nature.	lsf-1150.webm
151	7	herbe	Le signe pour « herbe », thème : nature.	lsf-1151.webm
152	7	feuille	Le signe pour « feuille », thème : nature.	lsf-1152.webm
153	7	montagne	Le signe pour « montagne », thème : nature.	lsf-1153.webm
154	7	rivière	Le signe pour « rivière », thème : nature.	lsf-1154.webm
155	7	mer	Le signe pour « mer », thème : nature.	lsf-1155.webm
156	7	île	Le signe pour « île », thème : nature.	lsf-1156.webm
157	7	plage	Le signe pour « plage », thème : nature.	lsf-1157.webm
158	7	soleil	Le signe pour « soleil », thème : nature.	lsf-1158.webm
159	7	lune	Le signe pour « lune », thème : nature.	lsf-1159.webm
160	7	étoile	Le signe pour « étoile », thème : nature.	lsf-1160.webm
161	7	nuage	Le signe pour « nuage », thème : nature.	lsf-1161.webm
162	7	pluie	Le signe pour « pluie », thème : nature.	lsf-1162.webm
163	7	neige	Le signe pour « neige », thème : nature.	lsf-1163.webm
164	7	vent	Le signe pour « vent », thème : nature.	lsf-1164.webm
165	7	orage	Le signe pour « orage », thème : nature.	lsf-1165.webm
166	7	forêt-noire	Le signe pour « forêt-noire », thème : nature.	lsf-1166.webm
167	8	maison	Le signe pour « maison », thème : maison.	lsf-1167.webm
168	8	porte	Le signe pour « porte », thème : maison.	lsf-1168.webm
169	8	fenêtre	Le signe pour « fenêtre », thème : maison.	lsf-1169.webm
170	8	chambre	Le signe pour « chambre », thème : maison.	lsf-1170.webm
171	8	cuisine	Le signe pour « cuisine », thème : maison.	lsf-1171.webm
172	8	salon	Le signe pour « salon », thème : maison.	lsf-1172.webm
173	8	lit	Le signe pour « lit », thème : maison.	lsf-1173.webm
174	8	table	Le signe pour « table », thème : maison.	lsf-1174.webm
175	8	chaise	Le signe pour « chaise », thème : maison.	lsf-1175.webm
176	8	armoire	Le signe pour « armoire », thème : maison.	lsf-1176.webm
177	8	lampe	Le signe pour « lampe », thème : maison.	lsf-1177.webm
178	8	clé	Le signe pour « clé », thème : maison.	lsf-1178.webm
179	8	escalier	Le signe pour « escalier », thème : maison.	lsf-1179.webm
180	8	toit	Le signe pour « toit », thème : maison.	lsf-1180.webm
181	8	jardin	Le signe pour « jardin », thème : maison.	lsf-1181.webm
182	9	joie	Le signe pour « joie », thème : émotions.	lsf-1182.webm
183	9	tristesse	Le signe pour « tristesse », thème : émotions.	lsf-1183.webm
184	9	colère	Le signe pour « colère », thème : émotions.	lsf-1184.webm
185	9	peur	Le signe pour « peur », thème : émotions.	lsf-1185.webm
186	9	surprise	Le signe pour « surprise », thème : émotions.	lsf-1186.webm
187	9	honte	Le signe pour « honte », thème : émotions.	lsf-1187.webm
188	9	fierté	Le signe pour « fierté », thème : émotions.	lsf-1188.webm
189	9	jalousie	Le signe pour « jalousie », thème : émotions.	lsf-1189.webm
190	9	amour	Le signe pour « amour », thème : émotions.	lsf-1190.webm
191	9	amitié	Le signe pour « amitié », thème : émotions.	lsf-1191.webm
192	9	ennui	Le signe pour « ennui », thème : émotions.	lsf-1192.webm
193	9	espoir	Le signe pour « espoir », thème : émotions.	lsf-1193.webm
\.


--
-- Name: answers_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.answers_id_seq', 600, true);


--
-- Name: categories_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.categories_id_seq', 9, true);


--
-- Name: players_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.players_id_seq', 16, true);


--
-- Name: sign_numbers; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.sign_numbers', 1193, true);


--
-- Name: texts_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.texts_id_seq', 5, true);


--
-- Name: words_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.words_id_seq', 193, true);


--
-- Name: answers answers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (id);


--
-- Name: categories categories_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.categories
    ADD CONSTRAINT categories_name_key UNIQUE (name);


--
-- Name: categories categories_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.categories
    ADD CONSTRAINT categories_pkey PRIMARY KEY (id);


--
-- Name: players players_name_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.players
    ADD CONSTRAINT players_name_key UNIQUE (name);


--
-- Name: players players_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.players
    ADD CONSTRAINT players_pkey PRIMARY KEY (id);


--
-- Name: texts texts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.texts
    ADD CONSTRAINT texts_pkey PRIMARY KEY (id);


--
-- Name: words words_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words
    ADD CONSTRAINT words_pkey PRIMARY KEY (id);


--
-- Name: words words_sign_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words
    ADD CONSTRAINT words_sign_key UNIQUE (sign);


--
-- Name: words words_word_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words
    ADD CONSTRAINT words_word_key UNIQUE (word);


--
-- Name: answers_player; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX answers_player ON public.answers USING btree (player_id, word_id);


--
-- Name: answers_word; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX answers_word ON public.answers USING btree (word_id);


--
-- Name: word_difficulty _RETURN; Type: RULE; Schema: public; Owner: -
--

CREATE OR REPLACE VIEW public.word_difficulty AS
 SELECT w.id AS word_id,
    w.word,
    count(a.id) AS asked,
    round(COALESCE(avg(((NOT a.is_right))::integer), 0.5), 2) AS difficulty
   FROM (public.words w
     LEFT JOIN public.answers a ON ((a.word_id = w.id)))
  GROUP BY w.id;


--
-- Name: answers answers_player_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_player_id_fkey FOREIGN KEY (player_id) REFERENCES public.players(id) ON DELETE CASCADE;


--
-- Name: answers answers_word_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_word_id_fkey FOREIGN KEY (word_id) REFERENCES public.words(id);


--
-- Name: words words_category_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.words
    ADD CONSTRAINT words_category_id_fkey FOREIGN KEY (category_id) REFERENCES public.categories(id);


--
-- PostgreSQL database dump complete
--

\unrestrict 9QomxQGseRQlxA2ZTgCitBaDcL9adUTdrjsPC1iBpygk5GZcBDOlixjYlcdeWtx

